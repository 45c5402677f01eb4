-- What each sample has is told by the partitions of its files: no bulk table is read.
WITH
held AS (
    SELECT
        t.table_name, f.record_count - coalesce(d.delete_count, 0) AS rows,
        max(v.partition_value) FILTER (v.partition_key_index = 0) AS reference,
        max(v.partition_value) FILTER (v.partition_key_index = 1) AS sample_id
    FROM lake.current_snapshot() AS n CROSS JOIN __ducklake_metadata_lake.ducklake_data_file AS f
    JOIN __ducklake_metadata_lake.ducklake_table AS t ON t.table_id = f.table_id AND t.end_snapshot IS NULL
    JOIN __ducklake_metadata_lake.ducklake_file_partition_value AS v ON v.data_file_id = f.data_file_id
    LEFT JOIN __ducklake_metadata_lake.ducklake_delete_file AS d
        ON d.data_file_id = f.data_file_id
        AND d.begin_snapshot <= n.id AND (d.end_snapshot IS NULL OR d.end_snapshot > n.id)
    WHERE t.table_name IN ('stored_alignments', 'genotypes')
        AND f.begin_snapshot <= n.id AND (f.end_snapshot IS NULL OR f.end_snapshot > n.id)
    GROUP BY t.table_name, f.data_file_id, f.record_count, d.delete_count
),
done AS (
    SELECT
        sample_id,
        list_sort(list(DISTINCT reference) FILTER (table_name = 'stored_alignments')) AS aligned_to,
        CAST(sum(rows) FILTER (table_name = 'stored_alignments') AS BIGINT) AS alignments,
        CAST(sum(rows) FILTER (table_name = 'genotypes') AS BIGINT) AS genotypes
    FROM held GROUP BY sample_id
),
groups AS (SELECT sample_id, count(*) AS read_groups FROM read_groups GROUP BY sample_id)
SELECT
    s.sample_id, s.sex, s.family, s.father, s.mother, coalesce(g.read_groups, 0) AS read_groups,
    d.aligned_to, coalesce(d.alignments, 0) AS alignments, coalesce(d.genotypes, 0) AS genotypes
FROM samples AS s
LEFT JOIN groups AS g USING (sample_id)
LEFT JOIN done AS d USING (sample_id)
ORDER BY s.sample_id
