-- Release 0.4: quality control of called samples. The columns of coverage_windows are those of lake/schema.py.
CREATE TABLE sample_qc (
    reference VARCHAR, sample_id VARCHAR, metric VARCHAR, bin INTEGER, value DOUBLE, job_id VARCHAR
);
CREATE TABLE coverage_windows (
    reference VARCHAR, sample_id VARCHAR, contig VARCHAR, start INTEGER, "end" INTEGER, mean FLOAT, covered_1 FLOAT,
    covered_10 FLOAT, covered_20 FLOAT, covered_30 FLOAT
);
ALTER TABLE coverage_windows SET PARTITIONED BY (reference, sample_id);
