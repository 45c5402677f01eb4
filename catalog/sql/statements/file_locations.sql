-- Where the files of some names lie now. $data is the hot tier.
WITH tables AS (
    SELECT table_id, any_value(s.path || t.path) AS folder
    FROM __ducklake_metadata_lake.ducklake_table AS t
    JOIN __ducklake_metadata_lake.ducklake_schema AS s USING (schema_id)
    GROUP BY table_id
)
SELECT
    split_part(f.path, '/', -1) AS name, f.data_file_id AS file_id,
    CASE
        WHEN f.path_is_relative THEN $data || t.folder || f.path
        ELSE regexp_replace(f.path, '^(cold:|encrypted://)', '')
    END AS location
FROM __ducklake_metadata_lake.ducklake_data_file AS f
JOIN tables AS t USING (table_id)
WHERE list_contains($names, split_part(f.path, '/', -1))
