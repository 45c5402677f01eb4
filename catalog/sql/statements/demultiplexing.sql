-- What each barcode of a run's sheet gave in each lane, those that gave nothing too; NULL sample: undetermined.
WITH
listed AS (
    SELECT lane, read_group_id FROM sample_yields WHERE run_id = $run_id
    UNION
    SELECT lane, read_group_id FROM read_groups WHERE run_id = $run_id AND lane IS NOT NULL
),
summed AS (
    SELECT
        lane, read_group_id, sum(clusters) AS clusters, sum(perfect) AS perfect, sum(one_mismatch) AS one_mismatch,
        sum(two_mismatch) AS two_mismatch, sum(yield_1) AS yield_1, sum(yield_2) AS yield_2, sum(q30_1) AS q30_1,
        sum(q30_2) AS q30_2, sum(quality_sum_1) AS quality_sum_1, sum(quality_sum_2) AS quality_sum_2
    FROM sample_yields WHERE run_id = $run_id GROUP BY lane, read_group_id
)
SELECT
    l.lane, g.sample_id, coalesce(g.attributes['sample_name'], g.sample_id) AS sample_name,
    g.attributes['project'] AS project, g.barcode,
    coalesce(g.segment1_length, d.segment1_length) AS kept_1, coalesce(g.segment2_length, d.segment2_length) AS kept_2,
    CAST(coalesce(s.clusters, 0) AS BIGINT) AS clusters, CAST(coalesce(s.perfect, 0) AS BIGINT) AS perfect,
    CAST(coalesce(s.one_mismatch, 0) AS BIGINT) AS one_mismatch,
    CAST(coalesce(s.two_mismatch, 0) AS BIGINT) AS two_mismatch,
    CAST(coalesce(s.yield_1, 0) AS BIGINT) AS yield_1, CAST(coalesce(s.yield_2, 0) AS BIGINT) AS yield_2,
    CAST(coalesce(s.q30_1, 0) AS BIGINT) AS q30_1, CAST(coalesce(s.q30_2, 0) AS BIGINT) AS q30_2,
    CAST(coalesce(s.quality_sum_1, 0) AS BIGINT) AS quality_sum_1,
    CAST(coalesce(s.quality_sum_2, 0) AS BIGINT) AS quality_sum_2
FROM listed AS l
LEFT JOIN summed AS s ON s.lane = l.lane AND s.read_group_id IS NOT DISTINCT FROM l.read_group_id
LEFT JOIN read_groups AS g ON g.read_group_id = l.read_group_id
LEFT JOIN lane_layouts AS d ON d.run_id = $run_id AND d.lane = l.lane
ORDER BY l.lane, g.sample_id NULLS LAST, g.barcode
