-- Paths on DuckLake's list of files to delete that some snapshot still has.
WITH
tables AS (
    SELECT DISTINCT t.table_id, s.path || t.path AS folder
    FROM __ducklake_metadata_lake.ducklake_table AS t
    JOIN __ducklake_metadata_lake.ducklake_schema AS s USING (schema_id)
),
files AS (
    SELECT table_id, path, path_is_relative FROM __ducklake_metadata_lake.ducklake_data_file
    UNION ALL
    SELECT table_id, path, path_is_relative FROM __ducklake_metadata_lake.ducklake_delete_file
)
-- The list has relative paths from the data folder, the tables from the folder of each table.
SELECT DISTINCT d.path
FROM __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion AS d
JOIN (
    SELECT CASE WHEN CAST(f.path_is_relative AS BOOLEAN) THEN t.folder || f.path ELSE f.path END AS path
    FROM files AS f JOIN tables AS t USING (table_id)
) AS f ON f.path = d.path
