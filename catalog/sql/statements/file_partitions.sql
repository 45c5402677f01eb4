-- Which partition each data file is of, whatever snapshot holds it; values are text.
SELECT
    v.data_file_id AS file_id, list(c.column_name ORDER BY v.partition_key_index) AS columns,
    list(v.partition_value ORDER BY v.partition_key_index) AS values
FROM __ducklake_metadata_lake.ducklake_file_partition_value AS v
JOIN __ducklake_metadata_lake.ducklake_data_file AS f USING (data_file_id)
JOIN __ducklake_metadata_lake.ducklake_partition_column AS k
    ON k.partition_id = f.partition_id AND k.table_id = v.table_id
    AND k.partition_key_index = v.partition_key_index
JOIN (
    SELECT table_id, column_id, max_by(column_name, begin_snapshot) AS column_name
    FROM __ducklake_metadata_lake.ducklake_column GROUP BY ALL
) AS c ON c.table_id = k.table_id AND c.column_id = k.column_id
GROUP BY v.data_file_id
