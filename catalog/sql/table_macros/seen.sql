-- Stretches where members of a cohort were seen with at least so many reads: reference blocks and called genotypes,
-- joined where they meet. `ploidy` is how many copies were seen: where it changes, the next stretch begins. Depth that
-- nothing is said of counts as 0.
CREATE OR REPLACE MACRO seen(cohort, place := '', min_depth := 0) AS TABLE
WITH
members AS MATERIALIZED (FROM cohort_members(cohort)),
pieces AS (
    SELECT reference, sample_id, contig, start, "end", ploidy
    FROM reference_blocks
    WHERE sample_id IN (FROM members) AND gap IS NULL AND coalesce(min_dp, dp, 0) >= min_depth
        AND in_region(place, contig, start, "end")
    UNION ALL
    SELECT g.reference, g.sample_id, g.contig, g.start, v."end", called_alleles(g.gt)
    FROM genotypes AS g JOIN variants AS v USING (reference, contig, start, variant_id)
    WHERE g.sample_id IN (FROM members) AND NOT contains(g.gt, '.') AND coalesce(g.dp, 0) >= min_depth
        AND v.type NOT IN ('symbolic', 'breakend') AND in_region(place, v.contig, v.start, v."end")
),
marked AS (
    SELECT
        *,
        coalesce(
            start > max("end") OVER (
                PARTITION BY reference, sample_id, contig, ploidy ORDER BY start, "end"
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ),
            true
        ) AS first
    FROM pieces
),
numbered AS (
    SELECT
        *,
        -- A count with FILTER would take the square of the time (DuckDB 1.5).
        sum(CAST(first AS INTEGER)) OVER (
            PARTITION BY reference, sample_id, contig, ploidy ORDER BY start, "end"
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS stretch
    FROM marked
),
stretches AS (
    SELECT reference, sample_id, contig, min(start) AS start, max("end") AS "end", ploidy
    FROM numbered
    GROUP BY reference, sample_id, contig, ploidy, stretch
),
followed AS (
    SELECT *, lead(start) OVER (PARTITION BY reference, sample_id, contig ORDER BY start, ploidy) AS next
    FROM stretches
)
SELECT reference, sample_id, contig, start, least("end", coalesce(next, "end")) AS "end", ploidy
FROM followed
WHERE next IS DISTINCT FROM start
