-- What quality control of a sample on an assembly would read: of each table the rows and the jobs that made them. Of
-- alignments from the catalog alone; calls may stand in files of several samples. Files that are written anew make no
-- difference.
WITH
files AS (
    SELECT t.table_name, f.path, f.record_count - coalesce(d.delete_count, 0) AS rows
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
    UNION ALL
    SELECT 'genotypes', filename, count(*) FROM genotypes
    WHERE reference = $reference AND sample_id = $sample GROUP BY filename
    UNION ALL
    SELECT 'reference_blocks', filename, count(*) FROM reference_blocks
    WHERE reference = $reference AND sample_id = $sample GROUP BY filename
),
counted AS (SELECT table_name, CAST(sum(rows) AS BIGINT) AS rows FROM files GROUP BY table_name),
made AS (
    SELECT f.table_name, list(DISTINCT o.origin_id ORDER BY o.origin_id) AS jobs
    FROM files AS f
    JOIN job_origins AS o ON o.job_id = job_of_file(f.path)
    JOIN lineage AS l ON l.job_id = o.origin_id
    -- A file that was written anew may hold what several jobs had made, of several samples.
    WHERE f.rows > 0 AND coalesce(l.parameters['sample'], $sample) = $sample
    GROUP BY f.table_name
)
SELECT table_name, rows, jobs FROM counted LEFT JOIN made USING (table_name) WHERE rows > 0 ORDER BY table_name
