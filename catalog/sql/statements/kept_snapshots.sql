-- Snapshots that can be looked at: from the first that has this lake's tables, without those that have expired.
SELECT snapshot_id, CAST(snapshot_time AS TIMESTAMPTZ) AS time
FROM __ducklake_metadata_lake.ducklake_snapshot
WHERE snapshot_id >= (
        SELECT min(begin_snapshot) FROM __ducklake_metadata_lake.ducklake_table WHERE table_name = 'schema_migrations'
    )
