-- Alleles of a cohort: `ac` copies among the `an` that were seen of the site, by genotypes and by reference blocks. Who was
-- not seen there is in `not_seen` and not in `an`. Counts that are kept answer where no depth is asked for.
CREATE OR REPLACE MACRO allele_frequency(cohort, place := '', min_depth := 0) AS TABLE
WITH
-- Nobody where counts are kept.
members AS MATERIALIZED (
    FROM cohort_members(cohort) WHERE min_depth > 0 OR cohort NOT IN (SELECT c.cohort FROM counted_cohorts AS c)
),
rows_there AS NOT MATERIALIZED (FROM genotypes_of('members', cohort, place => place)),
-- Rows that say the same of an allele are counted: of these sums, and whatever else looks into them, there are few.
kinds AS MATERIALIZED (
    SELECT
        reference, contig, start, variant_id, source_id, gt, alt_copies, coalesce(dp, 0) >= min_depth AS deep, count(*) AS n,
        min(record) AS first_record, max(record) AS last_record
    FROM rows_there
    GROUP BY reference, contig, start, variant_id, source_id, gt, alt_copies, coalesce(dp, 0) >= min_depth
),
sites AS MATERIALIZED (
    SELECT reference, contig, start, variant_id, sum(present) AS present, coalesce(bool_or(repeated), false) AS repeated
    FROM (
        SELECT
            reference, contig, start, variant_id, sum(n) AS present, min(first_record) <> max(last_record) AS repeated
        FROM kinds
        GROUP BY reference, contig, start, variant_id, source_id
    )
    GROUP BY reference, contig, start, variant_id
),
repeats AS MATERIALIZED (SELECT reference, contig, start, variant_id FROM sites WHERE repeated),
told AS (
    SELECT
        reference, contig, start, variant_id, gt, copies_seen(alt_copies, deep) AS copies,
        alleles_seen(gt, alt_copies, deep) AS alleles, n
    FROM (
        SELECT reference, contig, start, variant_id, gt, alt_copies, deep, n
        FROM kinds ANTI JOIN repeats USING (reference, contig, start, variant_id)
        UNION ALL
        SELECT reference, contig, start, variant_id, gt, alt_copies, coalesce(dp, 0) >= min_depth, 1
        FROM repeated_of('rows_there', 'sites')
    )
    UNION ALL
    SELECT reference, contig, start, variant_id, NULL, CASE WHEN was_seen THEN 0 END, coalesce(ploidy, 0), 1
    FROM absent_of('rows_there', 'sites', 'members', cohort, place => place, min_depth => min_depth)
),
sums AS (
    SELECT
        reference, contig, start, variant_id, CAST(sum(n * coalesce(copies, 0)) AS BIGINT) AS ac,
        CAST(sum(n * alleles) AS BIGINT) AS an,
        CAST(coalesce(sum(n) FILTER (copies > 0 AND copies < alleles), 0) AS BIGINT) AS het,
        CAST(coalesce(sum(n) FILTER (copies = alleles AND copies > 1), 0) AS BIGINT) AS hom_alt,
        CAST(coalesce(sum(n) FILTER (copies = 1 AND alleles = 1 AND NOT contains(gt, '.')), 0) AS BIGINT) AS hemi,
        CAST(coalesce(sum(n) FILTER (copies IS NULL), 0) AS BIGINT) AS not_seen
    FROM told
    GROUP BY reference, contig, start, variant_id
)
SELECT
    v.reference, v.variant_id, v.contig, v.start, v.ref, v.alt, v.type, s.ac, s.an, s.ac / nullif(s.an, 0) AS af, s.het,
    s.hom_alt, s.hemi, s.not_seen
FROM sums AS s JOIN variants AS v USING (reference, contig, start, variant_id)
WHERE in_region(place, v.contig, v.start, v."end")
UNION ALL
FROM counted_alleles(CASE WHEN min_depth = 0 THEN cohort END, place => place)
