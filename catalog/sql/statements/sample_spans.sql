-- The first and the last sample that data files have rows of, where they have rows of any.
SELECT f.data_file_id AS file_id, k.min_value AS first, k.max_value AS last
FROM __ducklake_metadata_lake.ducklake_data_file AS f
JOIN __ducklake_metadata_lake.ducklake_column AS c
    ON c.table_id = f.table_id AND c.column_name = 'sample_id' AND c.end_snapshot IS NULL AND c.parent_column IS NULL
JOIN __ducklake_metadata_lake.ducklake_file_column_stats AS k
    ON k.data_file_id = f.data_file_id AND k.table_id = f.table_id AND k.column_id = c.column_id
WHERE k.min_value IS NOT NULL AND k.max_value IS NOT NULL
