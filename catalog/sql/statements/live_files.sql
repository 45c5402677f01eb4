-- The files of rows that the newest snapshot holds, each with what was deleted of it. $data is the hot tier; `hot` is
-- false of a file that was moved out of it; $table: only of this table, if it is not NULL. `partition` has the values of the partition's columns, as text, in order.
SELECT
    t.table_name AS "table", f.data_file_id AS file_id, split_part(f.path, '/', -1) AS name, f.path_is_relative AS hot,
    CASE WHEN f.path_is_relative THEN $data || s.path || t.path || f.path ELSE f.path END AS location,
    f.file_size_bytes AS bytes, f.record_count AS rows, coalesce(d.delete_count, 0) AS deleted,
    coalesce(d.delete_file_id, -1) AS delete_file_id, f.row_id_start AS first_row, p.columns, p.values AS partition
FROM __ducklake_metadata_lake.ducklake_data_file AS f
JOIN __ducklake_metadata_lake.ducklake_table AS t ON t.table_id = f.table_id AND t.end_snapshot IS NULL
JOIN __ducklake_metadata_lake.ducklake_schema AS s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
LEFT JOIN __ducklake_metadata_lake.ducklake_delete_file AS d
    ON d.data_file_id = f.data_file_id AND d.end_snapshot IS NULL
LEFT JOIN (
    SELECT
        v.data_file_id, list(c.column_name ORDER BY v.partition_key_index) AS columns,
        list(v.partition_value ORDER BY v.partition_key_index) AS values
    FROM __ducklake_metadata_lake.ducklake_file_partition_value AS v
    JOIN __ducklake_metadata_lake.ducklake_data_file AS g ON g.data_file_id = v.data_file_id
    JOIN __ducklake_metadata_lake.ducklake_partition_column AS k
        ON k.partition_id = g.partition_id AND k.table_id = v.table_id
        AND k.partition_key_index = v.partition_key_index
    JOIN __ducklake_metadata_lake.ducklake_column AS c
        ON c.table_id = k.table_id AND c.column_id = k.column_id AND c.end_snapshot IS NULL
    GROUP BY v.data_file_id
) AS p ON p.data_file_id = f.data_file_id
WHERE f.end_snapshot IS NULL AND ($table IS NULL OR t.table_name = $table)
ORDER BY t.table_name, p.values, f.row_id_start
