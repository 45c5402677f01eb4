-- The files that came with a snapshot. $data is the hot tier, where all new files are.
SELECT split_part(f.path, '/', -1) AS name, $data || s.path || t.path || f.path AS location, f.bytes
FROM (
    SELECT table_id, path, file_size_bytes AS bytes FROM __ducklake_metadata_lake.ducklake_data_file
    WHERE begin_snapshot = $snapshot
    UNION ALL
    SELECT table_id, path, file_size_bytes FROM __ducklake_metadata_lake.ducklake_delete_file
    WHERE begin_snapshot = $snapshot
) AS f
JOIN __ducklake_metadata_lake.ducklake_table AS t ON t.table_id = f.table_id AND t.end_snapshot IS NULL
JOIN __ducklake_metadata_lake.ducklake_schema AS s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
