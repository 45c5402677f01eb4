-- `observed` of the members of a cohort whose rows of `genotypes` are `rows` and whose samples `members`, as a query calls
-- them, without what `variants` says of the alleles.
CREATE OR REPLACE MACRO copies_of(rows, members, cohort, place := '', min_depth := 0) AS TABLE
WITH
sites AS MATERIALIZED (FROM sites_of(rows)),
repeats AS MATERIALIZED (SELECT reference, contig, start, variant_id FROM sites WHERE repeated),
own AS (
    SELECT reference, contig, start, variant_id, sample_id, alt_copies, gt, gq, dp, filters
    FROM query_table(rows) ANTI JOIN repeats USING (reference, contig, start, variant_id)
    UNION ALL
    SELECT reference, contig, start, variant_id, sample_id, alt_copies, gt, gq, dp, filters
    FROM repeated_of(rows, 'sites')
)
SELECT
    reference, contig, start, variant_id, sample_id, copies_seen(alt_copies, coalesce(dp, 0) >= min_depth) AS copies,
    alleles_seen(gt, alt_copies, coalesce(dp, 0) >= min_depth) AS alleles,
    CASE
        WHEN alt_copies > 0 THEN 'carrier'
        WHEN alt_copies IS NULL THEN 'no_call'
        WHEN coalesce(dp, 0) < min_depth THEN 'not_seen'
        ELSE 'reference'
    END AS state,
    gt, gq, dp, len(coalesce(filters, [])) = 0 AS passed
FROM own
UNION ALL BY NAME
SELECT
    reference, contig, start, variant_id, sample_id, CASE WHEN was_seen THEN 0 END AS copies,
    coalesce(ploidy, 0) AS alleles, CASE WHEN was_seen THEN 'reference' ELSE 'not_seen' END AS state
FROM absent_of(rows, 'sites', members, cohort, place => place, min_depth => min_depth)
