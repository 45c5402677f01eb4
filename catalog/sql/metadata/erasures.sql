-- Every erasure: which sample it was is nowhere in the lake. `state` is `committed` when the rows are gone and `done`
-- when nothing is left of them; times are in seconds since 1970, UTC; `certificate` is the SHA-256 of what was issued.
CREATE TABLE IF NOT EXISTS __ducklake_metadata_lake.baselake_erasures (
    erasure_id VARCHAR, state VARCHAR, begun BIGINT, finished BIGINT, certificate VARCHAR
)
