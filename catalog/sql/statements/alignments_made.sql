-- Which jobs made a sample's alignments on an assembly, and how many there are: what tells whether they have changed.
-- From the catalog alone: no file is read, and files that are written anew make no difference.
WITH
files AS (
    SELECT f.path, f.record_count - coalesce(d.delete_count, 0) AS rows
    FROM __ducklake_metadata_lake.ducklake_data_file AS f
    JOIN __ducklake_metadata_lake.ducklake_table AS t ON t.table_id = f.table_id AND t.end_snapshot IS NULL
    LEFT JOIN __ducklake_metadata_lake.ducklake_delete_file AS d
        ON d.data_file_id = f.data_file_id AND d.end_snapshot IS NULL
    WHERE t.table_name = 'stored_alignments' AND f.end_snapshot IS NULL
        AND f.data_file_id IN (
            SELECT data_file_id FROM __ducklake_metadata_lake.ducklake_file_partition_value
            WHERE partition_key_index = 0 AND partition_value = $reference
        )
        AND f.data_file_id IN (
            SELECT data_file_id FROM __ducklake_metadata_lake.ducklake_file_partition_value
            WHERE partition_key_index = 1 AND partition_value = $sample
        )
)
SELECT
    (SELECT CAST(sum(rows) AS BIGINT) FROM files) AS records,
    (
        SELECT list(DISTINCT o.origin_id ORDER BY o.origin_id)
        FROM files AS f JOIN job_origins AS o ON o.job_id = job_of_file(f.path)
    ) AS jobs
