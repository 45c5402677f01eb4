-- Files of a table that hold rows of several samples, at the snapshot that is looked at. $data is the hot tier.
SELECT
    CASE WHEN f.path_is_relative THEN $data || s.path || t.path || f.path ELSE f.path END AS location
FROM lake.current_snapshot() AS n CROSS JOIN __ducklake_metadata_lake.ducklake_data_file AS f
JOIN __ducklake_metadata_lake.ducklake_table AS t ON t.table_id = f.table_id AND t.end_snapshot IS NULL
JOIN __ducklake_metadata_lake.ducklake_schema AS s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
JOIN __ducklake_metadata_lake.ducklake_file_column_stats AS k ON k.data_file_id = f.data_file_id
JOIN __ducklake_metadata_lake.ducklake_column AS c
    ON c.table_id = k.table_id AND c.column_id = k.column_id AND c.end_snapshot IS NULL AND c.column_name = 'sample_id'
WHERE t.table_name = $table AND f.begin_snapshot <= n.id AND (f.end_snapshot IS NULL OR f.end_snapshot > n.id)
    AND k.min_value IS DISTINCT FROM k.max_value
