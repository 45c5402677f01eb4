-- A row for each allele, with the copies that each member of a cohort has, in the order of the list beside it: NULL where
-- that is not known.
CREATE OR REPLACE MACRO genotype_matrix(place, cohort, min_depth := 0) AS TABLE
SELECT
    reference, variant_id, contig, start, ref, alt, list(sample_id ORDER BY sample_id) AS sample_ids,
    list(copies ORDER BY sample_id) AS copies
FROM observed(cohort, place => place, min_depth => min_depth)
GROUP BY reference, variant_id, contig, start, ref, alt
ORDER BY contig, start, ref, alt
