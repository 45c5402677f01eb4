-- Where the files of some names lie now. $data is the hot tier, $root the lake's folder. The name of a kept file is its
-- path, and it lies somewhere until it is on the list of those that are to go.
WITH tables AS (
    SELECT table_id, any_value(s.path || t.path) AS folder
    FROM __ducklake_metadata_lake.ducklake_table AS t
    JOIN __ducklake_metadata_lake.ducklake_schema AS s USING (schema_id)
    GROUP BY table_id
)
SELECT
    split_part(f.path, '/', -1) AS name,
    CASE
        WHEN f.path_is_relative THEN $data || t.folder || f.path
        ELSE regexp_replace(f.path, '^(cold:|encrypted://)', '')
    END AS location
FROM __ducklake_metadata_lake.ducklake_data_file AS f
JOIN tables AS t USING (table_id)
WHERE list_contains($names, split_part(f.path, '/', -1))
UNION ALL
SELECT n.name, coalesce(regexp_replace(o.location, '^cold:', ''), $root || n.name)
FROM (SELECT unnest($names::VARCHAR[]) AS name) AS n
LEFT JOIN __ducklake_metadata_lake.baselake_object_places AS o ON o.path = n.name
WHERE starts_with(n.name, 'objects/') AND NOT EXISTS (
    SELECT 1 FROM __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion AS d
    WHERE d.path = '../' || n.name OR d.path = o.location
)
