-- `observed` without what `variants` says of the alleles, for counting.
CREATE OR REPLACE MACRO copies(cohort, place := '', min_depth := 0) AS TABLE
WITH
members AS MATERIALIZED (FROM cohort_members(cohort)),
rows_there AS NOT MATERIALIZED (FROM genotypes_of('members', cohort, place => place))
FROM copies_of('rows_there', 'members', cohort, place => place, min_depth => min_depth)
