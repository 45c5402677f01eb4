-- Every file that some snapshot holds: rows of tables and, where rows were deleted, which. $data is the hot tier.
-- `cold:` before a path keeps queries from files that must be recalled first.
WITH tables AS (
    SELECT table_id, max_by(table_name, t.begin_snapshot) AS table_name, any_value(s.path || t.path) AS folder
    FROM __ducklake_metadata_lake.ducklake_table AS t
    JOIN __ducklake_metadata_lake.ducklake_schema AS s USING (schema_id)
    GROUP BY table_id
),
files AS (
    SELECT
        'rows' AS kind, table_id, data_file_id AS file_id, path, path_is_relative, file_size_bytes AS bytes,
        record_count AS rows, begin_snapshot, end_snapshot
    FROM __ducklake_metadata_lake.ducklake_data_file
    UNION ALL
    SELECT
        'deletes', table_id, delete_file_id, path, path_is_relative, file_size_bytes, delete_count, begin_snapshot,
        end_snapshot
    FROM __ducklake_metadata_lake.ducklake_delete_file
)
SELECT
    split_part(f.path, '/', -1) AS name, f.kind, t.table_name AS "table", f.file_id,
    CASE
        WHEN f.path_is_relative THEN $data || t.folder || f.path
        ELSE regexp_replace(f.path, '^(cold:|encrypted://)', '')
    END AS location,
    f.bytes, k.bytes AS written_bytes, k.checksum, f.rows, f.begin_snapshot, f.end_snapshot, k.written
FROM files AS f
JOIN tables AS t USING (table_id)
LEFT JOIN __ducklake_metadata_lake.baselake_files AS k ON k.name = split_part(f.path, '/', -1)
WHERE f.begin_snapshot >= $since
ORDER BY t.table_name, f.path
