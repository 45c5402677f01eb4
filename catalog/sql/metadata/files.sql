-- Every data file of the lake, by its name, which is unique and stays when the file moves between tiers. This lies in
-- the metadata database itself and not in a DuckLake table: it is about files, not about what they say at a snapshot.
-- `checksum` is XXH3-128 of the bytes, hexadecimal, and NULL for files older than this table; `written` is in seconds
-- since 1970, UTC.
CREATE TABLE IF NOT EXISTS __ducklake_metadata_lake.baselake_files (
    name VARCHAR PRIMARY KEY, bytes BIGINT, checksum VARCHAR, written BIGINT
)
