-- `observed` without what `variants` says of the alleles, for counting.
CREATE OR REPLACE MACRO copies(cohort, place := '', min_depth := 0) AS TABLE
WITH
members AS MATERIALIZED (FROM cohort_members(cohort)),
rows_there AS NOT MATERIALIZED (
    SELECT reference, contig, start, variant_id, sample_id, alt_copies, gt, gq, dp, filters, source_id, record
    FROM genotypes
    WHERE sample_id IN (FROM members) AND variant_id IS NOT NULL
        -- An allele may reach into the region from before it: from where the first one does. Users of this leave out
        -- what does not.
        AND (
            place = '' OR (
                contig = region_contig(place) AND start < region_end(place)
                AND start >= (
                    SELECT coalesce(min(v.start), 0) FROM variants AS v WHERE in_region(place, v.contig, v.start, v."end")
                )
            )
        )
),
sites AS MATERIALIZED (
    SELECT reference, contig, start, variant_id, sum(present) AS present, coalesce(bool_or(repeated), false) AS repeated
    FROM (
        SELECT reference, contig, start, variant_id, count(*) AS present, min(record) <> max(record) AS repeated
        FROM rows_there
        GROUP BY reference, contig, start, variant_id, source_id
    )
    GROUP BY reference, contig, start, variant_id
),
-- An allele that stands in several records of a file: those of a sample are one, with the most copies.
repeats AS MATERIALIZED (SELECT reference, contig, start, variant_id FROM sites WHERE repeated),
own AS NOT MATERIALIZED (
    SELECT reference, contig, start, variant_id, sample_id, alt_copies, gt, gq, dp, filters
    FROM rows_there ANTI JOIN repeats USING (reference, contig, start, variant_id)
    UNION ALL
    SELECT
        reference, contig, start, variant_id, sample_id, max(alt_copies), max_by(gt, coalesce(alt_copies, -1)),
        max_by(gq, coalesce(alt_copies, -1)), max(dp), max_by(filters, coalesce(alt_copies, -1))
    FROM rows_there SEMI JOIN repeats USING (reference, contig, start, variant_id)
    GROUP BY reference, contig, start, variant_id, sample_id
),
lacking AS MATERIALIZED (
    SELECT s.reference, s.contig, s.start, v."end", s.variant_id
    FROM sites AS s JOIN variants AS v USING (reference, contig, start, variant_id)
    WHERE s.present < (SELECT count(*) FROM members) OR s.repeated
),
-- Rows of these alleles only: all others would be hashed for nothing.
there AS (
    SELECT reference, contig, start, variant_id, sample_id
    FROM rows_there SEMI JOIN lacking USING (reference, contig, start, variant_id)
),
missing AS MATERIALIZED (
    SELECT reference, contig, start, "end", variant_id, sample_id
    FROM (SELECT l.*, m.sample_id FROM lacking AS l, members AS m)
        ANTI JOIN there USING (reference, contig, start, variant_id, sample_id)
),
-- Of nobody where no row is missing: joining stretches takes longer than all the rest.
stretches AS (
    FROM seen((SELECT any_value(cohort) FROM (FROM missing LIMIT 1)), place => place, min_depth => min_depth)
),
found AS (
    SELECT m.*, coalesce(c."end" >= m."end", false) AS was_seen, c.ploidy
    FROM missing AS m
    ASOF LEFT JOIN stretches AS c
        ON c.reference = m.reference AND c.sample_id = m.sample_id AND c.contig = m.contig AND c.start <= m.start
)
SELECT
    reference, contig, start, variant_id, sample_id,
    CASE WHEN alt_copies = 0 AND coalesce(dp, 0) < min_depth THEN NULL ELSE alt_copies END AS copies,
    -- Of `./0` one copy was seen, as of `./1`: to count only the latter would make alternates too frequent.
    CASE WHEN coalesce(alt_copies, 0) = 0 AND coalesce(dp, 0) < min_depth THEN 0 ELSE called_alleles(gt) END AS alleles,
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
    reference, contig, start, variant_id, sample_id,
    CASE WHEN was_seen THEN 0 END AS copies,
    CASE WHEN was_seen THEN ploidy ELSE 0 END AS alleles,
    CASE WHEN was_seen THEN 'reference' ELSE 'not_seen' END AS state
FROM found
