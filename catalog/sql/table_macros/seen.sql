-- Stretches where members of a cohort were seen with at least so many reads: reference blocks and called genotypes,
-- joined where they meet (`stretches_of`). `ploidy` is how many copies were seen. Depth that nothing is said of counts
-- as 0.
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
)
FROM stretches_of('pieces')
