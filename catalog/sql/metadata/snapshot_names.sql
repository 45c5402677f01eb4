-- Names that people gave to snapshots. This lies in the metadata database itself and not in a DuckLake table: a name
-- given today is there whatever snapshot is looked at. `named` is in seconds since 1970, UTC.
CREATE TABLE IF NOT EXISTS __ducklake_metadata_lake.baselake_snapshot_names (
    name VARCHAR PRIMARY KEY, snapshot_id BIGINT, named BIGINT
)
