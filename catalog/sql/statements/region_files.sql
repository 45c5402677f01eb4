-- The files that have a sample's alignments on some contigs of an assembly, in the order of their rows, each with the
-- bounds of what it holds; `plain`: it cannot be read by itself, since it is of an earlier release or some of its rows
-- are deleted. $data is the hot tier.
WITH
files AS (
    SELECT f.data_file_id, f.table_id, f.path, f.path_is_relative, f.row_id_start, n.id AS snapshot
    FROM lake.current_snapshot() AS n CROSS JOIN __ducklake_metadata_lake.ducklake_data_file AS f
    WHERE f.begin_snapshot <= n.id AND (f.end_snapshot IS NULL OR f.end_snapshot > n.id)
        AND f.data_file_id IN (
            SELECT data_file_id FROM __ducklake_metadata_lake.ducklake_file_partition_value
            WHERE partition_key_index = 1 AND partition_value = $sample
        )
        AND f.data_file_id IN (
            SELECT data_file_id FROM __ducklake_metadata_lake.ducklake_file_partition_value
            WHERE partition_key_index = 0 AND partition_value = $reference
        )
),
bounds AS (
    SELECT
        s.data_file_id,
        max(CASE WHEN c.column_name = 'start' THEN CAST(s.min_value AS INTEGER) END) AS first,
        max(CASE WHEN c.column_name = 'end' THEN CAST(s.max_value AS INTEGER) END) AS last,
        bool_or(c.column_name = 'block_row' AND s.value_count > 0) AS coded
    FROM __ducklake_metadata_lake.ducklake_file_column_stats AS s
    JOIN __ducklake_metadata_lake.ducklake_column AS c
        ON c.table_id = s.table_id AND c.column_id = s.column_id AND c.end_snapshot IS NULL
    WHERE c.column_name IN ('start', 'end', 'block_row') AND s.data_file_id IN (SELECT data_file_id FROM files)
    GROUP BY s.data_file_id
)
SELECT
    v.partition_value AS contig, b.first, b.last,
    CASE WHEN f.path_is_relative THEN $data || s.path || t.path || f.path ELSE f.path END AS location,
    NOT coalesce(b.coded, false) OR EXISTS (
        SELECT 1 FROM __ducklake_metadata_lake.ducklake_delete_file AS d
        WHERE d.data_file_id = f.data_file_id AND d.begin_snapshot <= f.snapshot
            AND (d.end_snapshot IS NULL OR d.end_snapshot > f.snapshot)
    ) AS plain
FROM files AS f
JOIN __ducklake_metadata_lake.ducklake_table AS t
    ON t.table_id = f.table_id AND t.table_name = 'stored_alignments' AND t.end_snapshot IS NULL
JOIN __ducklake_metadata_lake.ducklake_schema AS s USING (schema_id)
JOIN __ducklake_metadata_lake.ducklake_file_partition_value AS v
    ON v.data_file_id = f.data_file_id AND v.partition_key_index = 2
LEFT JOIN bounds AS b ON b.data_file_id = f.data_file_id
WHERE list_contains($contigs, v.partition_value)
ORDER BY f.row_id_start
