-- The files that a stage of a sample reads: of reads by the runs they are of, of all else by sample. Files of several
-- samples are told by the first and the last of these, and may have nothing of it. $data is the hot tier.
WITH
tables AS (
    SELECT t.table_id, t.table_name, s.path || t.path AS folder
    FROM __ducklake_metadata_lake.ducklake_table AS t
    JOIN __ducklake_metadata_lake.ducklake_schema AS s USING (schema_id)
    WHERE t.end_snapshot IS NULL AND list_contains($tables, t.table_name)
),
subjects AS (
    SELECT DISTINCT sample_id, 'stored_reads' AS table_name, 0 AS key, run_id AS value
    FROM read_groups WHERE list_contains($samples, sample_id)
    UNION ALL
    SELECT s.sample_id, t.table_name, 1, s.sample_id
    FROM (SELECT unnest($samples) AS sample_id) AS s CROSS JOIN tables AS t WHERE t.table_name <> 'stored_reads'
),
found AS (
    SELECT s.sample_id, f.data_file_id, t.folder
    FROM __ducklake_metadata_lake.ducklake_data_file AS f
    JOIN tables AS t USING (table_id)
    JOIN __ducklake_metadata_lake.ducklake_file_partition_value AS v USING (data_file_id)
    JOIN subjects AS s ON s.table_name = t.table_name AND s.key = v.partition_key_index AND s.value = v.partition_value
    WHERE f.end_snapshot IS NULL AND t.table_name IN ('stored_reads', 'stored_alignments')
    UNION
    SELECT s.sample_id, f.data_file_id, t.folder
    FROM __ducklake_metadata_lake.ducklake_data_file AS f
    JOIN tables AS t USING (table_id)
    JOIN __ducklake_metadata_lake.ducklake_file_column_stats AS k USING (data_file_id)
    JOIN __ducklake_metadata_lake.ducklake_column AS c
        ON c.table_id = k.table_id AND c.column_id = k.column_id AND c.end_snapshot IS NULL AND c.column_name = 'sample_id'
    JOIN subjects AS s ON s.table_name = t.table_name AND s.value BETWEEN k.min_value AND k.max_value
    WHERE f.end_snapshot IS NULL AND t.table_name NOT IN ('stored_reads', 'stored_alignments')
)
SELECT
    s.sample_id, f.file_size_bytes AS bytes,
    CASE
        WHEN f.path_is_relative THEN $data || s.folder || f.path
        ELSE regexp_replace(f.path, '^(cold:|encrypted://)', '')
    END AS location
FROM found AS s JOIN __ducklake_metadata_lake.ducklake_data_file AS f USING (data_file_id)
