-- Tables of release 0.1. Coordinates are 0-based half-open. The bulk tables (read_records, alignments, variants,
-- genotypes) have the columns of lake/schema.py, where each is explained.

CREATE TABLE schema_migrations (version INTEGER, name VARCHAR, applied TIMESTAMPTZ, release VARCHAR);

-- One row per sequencer run, or per import whose read names tell no run.
CREATE TABLE runs (
    run_id VARCHAR, platform VARCHAR, instrument VARCHAR, flowcell VARCHAR, started TIMESTAMPTZ, state VARCHAR,
    folder VARCHAR, bytes BIGINT, sample_sheet VARCHAR, error VARCHAR, job_id VARCHAR
);

CREATE TABLE samples (
    sample_id VARCHAR, sex VARCHAR, family VARCHAR, father VARCHAR, mother VARCHAR, phenotypes VARCHAR[],
    consent VARCHAR, attributes MAP(VARCHAR, VARCHAR)
);

-- SAM's @RG. `id` is the identifier in the file it came from, read_group_id the one unique in the lake.
CREATE TABLE read_groups (
    read_group_id VARCHAR, id VARCHAR, sample_id VARCHAR, library VARCHAR, run_id VARCHAR, lane SMALLINT,
    barcode VARCHAR, platform VARCHAR, platform_unit VARCHAR, attributes MAP(VARCHAR, VARCHAR)
);

-- Every file that was imported: SHA-256 of its bytes, XXH3-128 of its decompressed content.
CREATE TABLE source_files (
    source_id VARCHAR, content_id VARCHAR, path VARCHAR, format VARCHAR, bytes BIGINT, records BIGINT,
    run_id VARCHAR, sample_ids VARCHAR[], segment TINYINT, header VARCHAR, job_id VARCHAR
);

-- An assembly; `digest` is the GA4GH sequence collection digest, the name of its FASTA in the lake.
CREATE TABLE "references" (
    reference VARCHAR, digest VARCHAR, contigs INTEGER, length BIGINT, source VARCHAR, job_id VARCHAR
);

-- md5 is SAM's M5, refget the GA4GH digest SQ.*; ordinal is the place in the FASTA, from 0.
CREATE TABLE contigs (
    reference VARCHAR, contig VARCHAR, ordinal INTEGER, length INTEGER, md5 VARCHAR, refget VARCHAR
);

-- One row per job: what it read, wrote, with what, where. Paths are relative to the lake.
CREATE TABLE lineage (
    job_id VARCHAR, operation VARCHAR, tool VARCHAR, version VARCHAR, inputs VARCHAR[], outputs VARCHAR[],
    parameters MAP(VARCHAR, VARCHAR), device VARCHAR, node VARCHAR, started TIMESTAMPTZ, finished TIMESTAMPTZ,
    bytes_near BIGINT, bytes_far BIGINT
);

CREATE TABLE read_records (
    run_id VARCHAR, lane SMALLINT, read_group_id VARCHAR, name VARCHAR, comment VARCHAR, segment TINYINT,
    seq VARCHAR, qual VARCHAR, index1_seq VARCHAR, index1_qual VARCHAR, index2_seq VARCHAR, index2_qual VARCHAR,
    umi VARCHAR, tags BLOB, filtered BOOLEAN
);
ALTER TABLE read_records SET PARTITIONED BY (run_id, lane);

CREATE TABLE alignments (
    reference VARCHAR, sample_id VARCHAR, read_group_id VARCHAR, name VARCHAR, flag INTEGER, contig VARCHAR,
    start INTEGER, "end" INTEGER, mapq SMALLINT, cigar VARCHAR, next_contig VARCHAR, next_start INTEGER,
    tlen INTEGER, seq VARCHAR, qual VARCHAR, tags BLOB, duplicate BOOLEAN
);
ALTER TABLE alignments SET PARTITIONED BY (reference, sample_id, contig);

CREATE TABLE variants (
    reference VARCHAR, variant_id VARCHAR, contig VARCHAR, start INTEGER, "end" INTEGER, ref VARCHAR, alt VARCHAR,
    type VARCHAR
);
ALTER TABLE variants SET PARTITIONED BY (reference, contig);

CREATE TABLE genotypes (
    reference VARCHAR, sample_id VARCHAR, variant_id VARCHAR, contig VARCHAR, start INTEGER, gt VARCHAR,
    alt_copies TINYINT, gq INTEGER, dp INTEGER, ad_ref INTEGER, ad_alt INTEGER, pl INTEGER[],
    allele_index TINYINT, site_pl INTEGER[], ps INTEGER, filters VARCHAR[], qual FLOAT, mq FLOAT, sb INTEGER[],
    fs FLOAT, read_pos_rank_sum FLOAT, base_q_rank_sum FLOAT
);
ALTER TABLE genotypes SET PARTITIONED BY (reference, sample_id, contig);
