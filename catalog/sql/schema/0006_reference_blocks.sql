-- Release 0.4: what lies between a sample's calls. The columns are those of lake/schema.py.
CREATE TABLE reference_blocks (
    reference VARCHAR, sample_id VARCHAR, contig VARCHAR, start INTEGER, "end" INTEGER, ploidy TINYINT, gap VARCHAR,
    gq INTEGER, dp INTEGER, min_dp INTEGER
);
ALTER TABLE reference_blocks SET PARTITIONED BY (reference, sample_id, contig);
