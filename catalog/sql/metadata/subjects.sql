-- The word that stands for a sample in the audit; an erasure takes the row away, and with it what the word meant.
CREATE TABLE IF NOT EXISTS __ducklake_metadata_lake.baselake_subjects (subject VARCHAR, sample_id VARCHAR)
