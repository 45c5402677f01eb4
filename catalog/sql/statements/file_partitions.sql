-- Which partition each data file is of, whatever snapshot holds it; values are text. Of calls the partition does not
-- tell the sample: here it does, for a file of one.
WITH
names AS (
    SELECT table_id, column_id, max_by(column_name, begin_snapshot) AS column_name
    FROM __ducklake_metadata_lake.ducklake_column GROUP BY ALL
),
told AS (
    SELECT v.data_file_id, v.partition_key_index AS place, c.column_name, v.partition_value AS value
    FROM __ducklake_metadata_lake.ducklake_file_partition_value AS v
    JOIN __ducklake_metadata_lake.ducklake_data_file AS f USING (data_file_id)
    JOIN __ducklake_metadata_lake.ducklake_partition_column AS k
        ON k.partition_id = f.partition_id AND k.table_id = v.table_id
        AND k.partition_key_index = v.partition_key_index
    JOIN names AS c ON c.table_id = k.table_id AND c.column_id = k.column_id
),
calls AS (
    SELECT s.data_file_id, 0.5 AS place, c.column_name, s.min_value AS value
    FROM __ducklake_metadata_lake.ducklake_file_column_stats AS s
    JOIN names AS c ON c.table_id = s.table_id AND c.column_id = s.column_id AND c.column_name = 'sample_id'
    WHERE s.min_value = s.max_value
        AND s.table_id IN (
            SELECT table_id FROM __ducklake_metadata_lake.ducklake_table
            WHERE table_name IN ('genotypes', 'reference_blocks')
        )
        AND s.data_file_id NOT IN (SELECT data_file_id FROM told WHERE column_name = 'sample_id')
)
SELECT data_file_id AS file_id, list(column_name ORDER BY place) AS columns, list(value ORDER BY place) AS values
FROM (FROM told UNION ALL FROM calls)
GROUP BY data_file_id
