SELECT
    t.table_name AS "table",
    CAST(coalesce(sum(f.record_count), 0) - coalesce(sum(d.delete_count), 0) AS BIGINT) AS rows,
    count(f.data_file_id) AS files,
    CAST(coalesce(sum(f.file_size_bytes), 0) AS BIGINT) AS bytes,
    (SELECT max(snapshot_id) FROM lake.snapshots()) AS snapshot
FROM __ducklake_metadata_lake.ducklake_table AS t
LEFT JOIN __ducklake_metadata_lake.ducklake_data_file AS f
    ON f.table_id = t.table_id AND f.end_snapshot IS NULL
LEFT JOIN __ducklake_metadata_lake.ducklake_delete_file AS d
    ON d.data_file_id = f.data_file_id AND d.end_snapshot IS NULL
WHERE t.end_snapshot IS NULL
GROUP BY t.table_name
ORDER BY bytes DESC, "table"
