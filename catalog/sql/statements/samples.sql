-- What each sample has, told by what the catalog knows of its files; only those of several samples are read. {shared}: their
-- locations, as literals.
WITH
held AS (
    SELECT
        t.table_name, f.record_count - coalesce(d.delete_count, 0) AS rows,
        max(s.min_value) FILTER (c.column_name = 'reference') AS reference,
        max(s.min_value) FILTER (c.column_name = 'sample_id') AS sample_id,
        max(s.max_value) FILTER (c.column_name = 'sample_id') AS last_sample_id
    FROM lake.current_snapshot() AS n CROSS JOIN __ducklake_metadata_lake.ducklake_data_file AS f
    JOIN __ducklake_metadata_lake.ducklake_table AS t ON t.table_id = f.table_id AND t.end_snapshot IS NULL
    JOIN __ducklake_metadata_lake.ducklake_file_column_stats AS s ON s.data_file_id = f.data_file_id
    JOIN __ducklake_metadata_lake.ducklake_column AS c
        ON c.table_id = s.table_id AND c.column_id = s.column_id AND c.end_snapshot IS NULL
    LEFT JOIN __ducklake_metadata_lake.ducklake_delete_file AS d
        ON d.data_file_id = f.data_file_id
        AND d.begin_snapshot <= n.id AND (d.end_snapshot IS NULL OR d.end_snapshot > n.id)
    WHERE t.table_name IN ('stored_alignments', 'genotypes') AND c.column_name IN ('reference', 'sample_id')
        AND f.begin_snapshot <= n.id AND (f.end_snapshot IS NULL OR f.end_snapshot > n.id)
    GROUP BY t.table_name, f.data_file_id, f.record_count, d.delete_count
),
single AS (SELECT * FROM held WHERE sample_id = last_sample_id),
counted AS (
    SELECT table_name, reference, sample_id, rows FROM single
    UNION ALL
    SELECT 'genotypes', reference, sample_id, count(*) FROM genotypes WHERE filename IN ({shared}) GROUP BY ALL
),
done AS (
    SELECT
        sample_id,
        list_sort(list(DISTINCT reference) FILTER (table_name = 'stored_alignments')) AS aligned_to,
        CAST(sum(rows) FILTER (table_name = 'stored_alignments') AS BIGINT) AS alignments,
        CAST(sum(rows) FILTER (table_name = 'genotypes') AS BIGINT) AS genotypes
    FROM counted GROUP BY sample_id
),
groups AS (SELECT sample_id, count(*) AS read_groups FROM read_groups GROUP BY sample_id)
SELECT
    s.sample_id, s.sex, s.family, s.father, s.mother, coalesce(g.read_groups, 0) AS read_groups,
    d.aligned_to, coalesce(d.alignments, 0) AS alignments, coalesce(d.genotypes, 0) AS genotypes
FROM samples AS s
LEFT JOIN groups AS g USING (sample_id)
LEFT JOIN done AS d USING (sample_id)
ORDER BY s.sample_id
