-- Alleles of a cohort: `ac` copies among the `an` that were seen of the site, by genotypes and by reference blocks. Who was
-- not seen there is in `not_seen` and not in `an`. Counts that are kept answer where no depth is asked for.
CREATE OR REPLACE MACRO allele_frequency(cohort, place := '', min_depth := 0) AS TABLE
SELECT
    v.reference, v.variant_id, v.contig, v.start, v.ref, v.alt, v.type, o.ac, o.an, o.ac / nullif(o.an, 0) AS af, o.het,
    o.hom_alt, o.hemi, o.not_seen
FROM (
    SELECT
        reference, contig, start, variant_id,
        CAST(sum(coalesce(copies, 0)) AS BIGINT) AS ac,
        CAST(sum(alleles) AS BIGINT) AS an,
        count(*) FILTER (copies > 0 AND copies < alleles) AS het,
        count(*) FILTER (copies = alleles AND copies > 1) AS hom_alt,
        count(*) FILTER (copies = 1 AND alleles = 1 AND NOT contains(gt, '.')) AS hemi,
        count(*) FILTER (copies IS NULL) AS not_seen
    -- Of nobody where counts are kept.
    FROM copies(
        CASE WHEN min_depth = 0 AND cohort IN (SELECT c.cohort FROM counted_cohorts AS c) THEN NULL ELSE cohort END,
        place => place, min_depth => min_depth
    )
    GROUP BY reference, contig, start, variant_id
) AS o
JOIN variants AS v USING (reference, contig, start, variant_id)
WHERE in_region(place, v.contig, v.start, v."end")
UNION ALL
FROM counted_alleles(CASE WHEN min_depth = 0 THEN cohort END, place => place)
