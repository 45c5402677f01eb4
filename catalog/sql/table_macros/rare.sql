-- Alleles that a cohort carries and that are no more frequent in it than max_af.
CREATE OR REPLACE MACRO rare(max_af, cohort := 'all', place := '', min_depth := 0) AS TABLE
SELECT * FROM allele_frequency(cohort, place => place, min_depth => min_depth)
WHERE ac > 0 AND af <= max_af
