-- Release 0.2: sequencers' own folders. What is bulk (barcode_counts) has the columns of lake/schema.py.

ALTER TABLE runs ADD COLUMN digest VARCHAR;
ALTER TABLE runs ADD COLUMN run_info VARCHAR;
ALTER TABLE runs ADD COLUMN run_parameters VARCHAR;
ALTER TABLE runs ADD COLUMN cycles INTEGER;
ALTER TABLE runs ADD COLUMN cycles_expected INTEGER;
ALTER TABLE runs ADD COLUMN updated TIMESTAMPTZ;

ALTER TABLE read_records ADD COLUMN tile INTEGER;
ALTER TABLE read_records ADD COLUMN adapter_start SMALLINT;

-- What a sample sheet makes of the cycles of a read group's reads; NULL: they are kept as they are.
ALTER TABLE read_groups ADD COLUMN segment1_start SMALLINT;
ALTER TABLE read_groups ADD COLUMN segment1_length SMALLINT;
ALTER TABLE read_groups ADD COLUMN segment2_start SMALLINT;
ALTER TABLE read_groups ADD COLUMN segment2_length SMALLINT;
ALTER TABLE read_groups ADD COLUMN adapter_behavior VARCHAR;
ALTER TABLE read_groups ADD COLUMN minimum_trimmed_read_length SMALLINT;
ALTER TABLE read_groups ADD COLUMN mask_short_reads SMALLINT;

-- One row per lane and tile that is in the lake; `needs` tells what was derived from the reads for the sheet.
CREATE TABLE run_tiles (
    run_id VARCHAR, lane SMALLINT, tile INTEGER, clusters BIGINT, clusters_pf BIGINT, anomalies BIGINT,
    needs VARCHAR, job_id VARCHAR, committed TIMESTAMPTZ
);

-- What of a run could not be imported, and why.
CREATE TABLE run_faults (
    run_id VARCHAR, path VARCHAR, lane SMALLINT, tile INTEGER, cycle INTEGER, fault VARCHAR, seen TIMESTAMPTZ
);

-- Every sample sheet a run had, the current one being runs.sample_sheet; sheet_id is its SHA-256.
CREATE TABLE sample_sheets (
    run_id VARCHAR, sheet_id VARCHAR, path VARCHAR, text VARCHAR, job_id VARCHAR, received TIMESTAMPTZ
);

-- Which cycles of the index reads tell samples apart, and which of the others undetermined reads keep.
CREATE TABLE lane_layouts (
    run_id VARCHAR, lane SMALLINT, index1_start SMALLINT, index1_length SMALLINT, index2_start SMALLINT,
    index2_length SMALLINT, segment1_start SMALLINT, segment1_length SMALLINT, segment2_start SMALLINT,
    segment2_length SMALLINT
);

-- Which read group an index sequence belongs to, of every sequence seen that belongs to one.
CREATE TABLE barcode_assignments (
    run_id VARCHAR, lane SMALLINT, index1_seq VARCHAR, index2_seq VARCHAR, read_group_id VARCHAR,
    mismatches1 TINYINT, mismatches2 TINYINT
);

CREATE TABLE barcode_counts (
    run_id VARCHAR, lane SMALLINT, tile INTEGER, index1_seq VARCHAR, index2_seq VARCHAR, clusters INTEGER,
    clusters_pf INTEGER, yield_1 BIGINT, yield_2 BIGINT, q30_1 BIGINT, q30_2 BIGINT, quality_sum_1 BIGINT,
    quality_sum_2 BIGINT
);
ALTER TABLE barcode_counts SET PARTITIONED BY (run_id, lane);

-- What the instrument measured of a run, a lane, a read (0: all): InterOp and the like.
CREATE TABLE run_metrics (run_id VARCHAR, lane SMALLINT, read TINYINT, metric VARCHAR, value DOUBLE);

-- Files kept as they are: raw signal, InterOp, what describes a run. `path` is relative to the lake.
CREATE TABLE objects (
    run_id VARCHAR, name VARCHAR, path VARCHAR, bytes BIGINT, sha256 VARCHAR, kind VARCHAR, job_id VARCHAR
);
