-- Who did what: `entry` is JSON, `hash` the SHA-256 of the hash before and the entry, both hexadecimal text, so that a
-- changed, missing or added row shows. Rows are only added. Samples stand in entries by a random word (subjects.sql).
CREATE TABLE IF NOT EXISTS __ducklake_metadata_lake.baselake_audit (
    number BIGINT, snapshot BIGINT, entry VARCHAR, hash VARCHAR
)
