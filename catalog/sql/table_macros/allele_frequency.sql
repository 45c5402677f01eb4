-- Alleles of a cohort: `ac` copies among the `an` that were seen of the site, by genotypes and by reference blocks. Who was
-- not seen there is in `not_seen` and not in `an`.
CREATE OR REPLACE MACRO allele_frequency(cohort, place := '', min_depth := 0) AS TABLE
SELECT
    reference, variant_id, contig, start, ref, alt, type,
    CAST(sum(coalesce(copies, 0)) AS BIGINT) AS ac,
    CAST(sum(alleles) AS BIGINT) AS an,
    sum(coalesce(copies, 0)) / nullif(sum(alleles), 0) AS af,
    count(*) FILTER (copies > 0 AND copies < alleles) AS het,
    count(*) FILTER (copies = alleles AND copies > 1) AS hom_alt,
    count(*) FILTER (copies = 1 AND alleles = 1) AS hemi,
    count(*) FILTER (state IN ('no_call', 'not_seen')) AS not_seen
FROM observed(cohort, place => place, min_depth => min_depth)
GROUP BY reference, variant_id, contig, start, ref, alt, type
