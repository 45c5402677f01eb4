-- What each barcode of each lane gave; NULL sample and read group: undetermined. Bases as the reads were when their
-- tile was imported.
CREATE OR REPLACE VIEW sample_yields AS
WITH
counted AS (
    SELECT
        c.*, a.read_group_id,
        a.mismatches1 + a.mismatches2 AS mismatches
    FROM barcode_counts AS c LEFT JOIN barcode_assignments AS a USING (run_id, lane, index1_seq, index2_seq)
)
SELECT
    c.run_id, c.lane, g.sample_id, c.read_group_id, g.library, g.barcode,
    CAST(sum(c.clusters_pf) AS BIGINT) AS clusters,
    CAST(coalesce(sum(c.clusters_pf) FILTER (c.mismatches = 0), 0) AS BIGINT) AS perfect,
    CAST(coalesce(sum(c.clusters_pf) FILTER (c.mismatches = 1), 0) AS BIGINT) AS one_mismatch,
    CAST(coalesce(sum(c.clusters_pf) FILTER (c.mismatches >= 2), 0) AS BIGINT) AS two_mismatch,
    CAST(sum(c.yield_1) AS BIGINT) AS yield_1, CAST(sum(c.yield_2) AS BIGINT) AS yield_2,
    CAST(sum(c.q30_1) AS BIGINT) AS q30_1, CAST(sum(c.q30_2) AS BIGINT) AS q30_2,
    CAST(sum(c.quality_sum_1) AS BIGINT) AS quality_sum_1, CAST(sum(c.quality_sum_2) AS BIGINT) AS quality_sum_2
FROM counted AS c LEFT JOIN read_groups AS g ON g.read_group_id = c.read_group_id
GROUP BY c.run_id, c.lane, g.sample_id, c.read_group_id, g.library, g.barcode
