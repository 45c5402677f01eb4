-- Likelihoods of the samples in joint_samples (sample_id, number) at the alleles of a stretch, in any order: to sort them
-- would take longer than to read them.
SELECT
    start, variant_id, number, coalesce(alt_copies, -1) AS copies, likelihood[1] AS l0, likelihood[2] AS l1,
    coalesce(likelihood[3], -1) AS l2, an
FROM (
    SELECT
        g.start, g.variant_id, s.number, g.alt_copies,
        coalesce(likelihoods(g.pl, g.site_pl, g.allele_index, g.gt, g.alt_copies, g.gq), [0, 0]) AS likelihood,
        CASE WHEN g.alt_copies IS NULL THEN 0 ELSE called_alleles(g.gt) END AS an
    FROM genotypes AS g JOIN joint_samples AS s USING (sample_id)
    WHERE g.reference = $reference AND g.contig = $contig AND g.start >= $start AND g.start < $end
        AND g.variant_id IS NOT NULL
)
