-- Every file of rows that some snapshot holds, with the partition it lies in. $data is the hot tier.
WITH tables AS (
    SELECT table_id, any_value(table_name) AS table_name, any_value(s.path || t.path) AS folder
    FROM __ducklake_metadata_lake.ducklake_table AS t
    JOIN __ducklake_metadata_lake.ducklake_schema AS s USING (schema_id)
    GROUP BY table_id
),
partitions AS (
    SELECT v.data_file_id, map(list(c.column_name), list(v.partition_value)) AS "partition"
    FROM __ducklake_metadata_lake.ducklake_file_partition_value AS v
    JOIN __ducklake_metadata_lake.ducklake_data_file AS f USING (data_file_id)
    JOIN __ducklake_metadata_lake.ducklake_partition_column AS p
        ON p.partition_id = f.partition_id AND p.partition_key_index = v.partition_key_index
    JOIN (
        SELECT DISTINCT table_id, column_id, column_name
        FROM __ducklake_metadata_lake.ducklake_column WHERE end_snapshot IS NULL
    ) AS c ON c.table_id = f.table_id AND c.column_id = p.column_id
    GROUP BY v.data_file_id
)
SELECT
    f.data_file_id AS file_id, f.table_id, t.table_name AS "table", t.folder,
    CASE WHEN f.path_is_relative THEN $data || t.folder || f.path ELSE regexp_replace(f.path, '^(cold:|encrypted://)', '') END AS location,
    f.record_count AS rows, f.file_size_bytes AS bytes, f.row_id_start, f.begin_snapshot, f.end_snapshot,
    f.encryption_key, k.checksum, p."partition"
FROM __ducklake_metadata_lake.ducklake_data_file AS f
JOIN tables AS t USING (table_id)
LEFT JOIN partitions AS p USING (data_file_id)
LEFT JOIN __ducklake_metadata_lake.baselake_files AS k ON k.name = split_part(f.path, '/', -1)
ORDER BY t.table_name, f.data_file_id
