-- Every file that says which rows of another are gone. $data is the hot tier.
WITH tables AS (
    SELECT table_id, any_value(s.path || t.path) AS folder
    FROM __ducklake_metadata_lake.ducklake_table AS t
    JOIN __ducklake_metadata_lake.ducklake_schema AS s USING (schema_id)
    GROUP BY table_id
)
SELECT
    f.delete_file_id AS file_id, f.data_file_id, f.begin_snapshot, t.folder,
    CASE WHEN f.path_is_relative THEN $data || t.folder || f.path ELSE regexp_replace(f.path, '^(cold:|encrypted://)', '') END AS location,
    k.checksum, f.file_size_bytes AS bytes
FROM __ducklake_metadata_lake.ducklake_delete_file AS f
JOIN tables AS t USING (table_id)
LEFT JOIN __ducklake_metadata_lake.baselake_files AS k ON k.name = split_part(f.path, '/', -1)
ORDER BY f.delete_file_id
