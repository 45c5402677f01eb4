-- Column chunks of data files, by what DuckLake noted when they were registered: a row for each file and stored column
-- (a list or map is stored as what it is made of). $files are identifiers, `root` is the column of the table.
WITH RECURSIVE columns AS (
    SELECT table_id, column_id, column_name AS root, column_order
    FROM __ducklake_metadata_lake.ducklake_column
    WHERE parent_column IS NULL AND end_snapshot IS NULL
    UNION ALL
    SELECT c.table_id, c.column_id, p.root, p.column_order
    FROM __ducklake_metadata_lake.ducklake_column AS c
    JOIN columns AS p ON p.table_id = c.table_id AND p.column_id = c.parent_column
    WHERE c.end_snapshot IS NULL
)
SELECT
    s.data_file_id AS file_id, c.root, s.column_size_bytes AS bytes, f.footer_size AS footer,
    CASE WHEN f.path_is_relative THEN '' ELSE regexp_replace(f.path, '^(cold:|encrypted://)', '') END AS location
FROM __ducklake_metadata_lake.ducklake_file_column_stats AS s
JOIN __ducklake_metadata_lake.ducklake_data_file AS f USING (data_file_id)
JOIN columns AS c ON c.table_id = s.table_id AND c.column_id = s.column_id
WHERE list_contains($files::BIGINT[], s.data_file_id)
ORDER BY s.data_file_id, c.column_order, s.column_id
