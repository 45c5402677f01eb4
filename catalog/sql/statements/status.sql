WITH
files AS (
    SELECT f.table_id, f.data_file_id, f.record_count, f.file_size_bytes, d.delete_count
    FROM lake.current_snapshot() AS n CROSS JOIN __ducklake_metadata_lake.ducklake_data_file AS f
    LEFT JOIN __ducklake_metadata_lake.ducklake_delete_file AS d
        ON d.data_file_id = f.data_file_id
        AND d.begin_snapshot <= n.id AND (d.end_snapshot IS NULL OR d.end_snapshot > n.id)
    WHERE f.begin_snapshot <= n.id AND (f.end_snapshot IS NULL OR f.end_snapshot > n.id)
)
SELECT
    CASE t.table_name
        WHEN 'stored_reads' THEN 'read_records' WHEN 'stored_alignments' THEN 'alignments' ELSE t.table_name
    END AS "table",
    CAST(coalesce(sum(f.record_count), 0) - coalesce(sum(f.delete_count), 0) AS BIGINT) AS rows,
    count(f.data_file_id) AS files,
    CAST(coalesce(sum(f.file_size_bytes), 0) AS BIGINT) AS bytes,
    n.id AS snapshot
FROM lake.current_snapshot() AS n CROSS JOIN __ducklake_metadata_lake.ducklake_table AS t
LEFT JOIN files AS f ON f.table_id = t.table_id
WHERE t.begin_snapshot <= n.id AND (t.end_snapshot IS NULL OR t.end_snapshot > n.id)
GROUP BY t.table_name, n.id
ORDER BY bytes DESC, "table"
