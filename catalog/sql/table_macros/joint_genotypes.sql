-- Members of a cohort genotyped together: what each has of each allele that any member has a genotype of, by its own
-- likelihoods and the allele's frequency in the cohort: a row for each, `gt` being ./. of whom nothing is known. Where a
-- member has no genotype of the allele its reference block tells how sure the reference is. Frequencies are those of
-- `baselake genotype` where it was run, else of the genotypes as they were called.
CREATE OR REPLACE MACRO joint_genotypes(cohort, place := '') AS TABLE
WITH
sites AS MATERIALIZED (FROM joint_sites(cohort, place => place)),
members AS MATERIALIZED (FROM cohort_members(cohort)),
rows_read AS NOT MATERIALIZED (
    SELECT
        reference, contig, start, variant_id, sample_id, dp, alt_copies, source_id, record,
        likelihoods(pl, site_pl, allele_index, gt, alt_copies, gq) AS likelihood
    FROM genotypes
    WHERE sample_id IN (FROM members) AND variant_id IS NOT NULL
        AND (
            place = '' OR (
                contig = region_contig(place) AND start < region_end(place)
                AND start >= (
                    SELECT coalesce(min(v.start), 0) FROM variants AS v WHERE in_region(place, v.contig, v.start, v."end")
                )
            )
        )
),
present AS MATERIALIZED (
    SELECT reference, contig, start, variant_id, sum(n) AS n, coalesce(bool_or(repeated), false) AS repeated
    FROM (
        SELECT reference, contig, start, variant_id, count(*) AS n, min(record) <> max(record) AS repeated
        FROM rows_read GROUP BY reference, contig, start, variant_id, source_id
    )
    GROUP BY reference, contig, start, variant_id
),
-- Of an allele that stands in several records of a file the row with most copies.
repeats AS MATERIALIZED (SELECT reference, contig, start, variant_id FROM present WHERE repeated),
rows_there AS NOT MATERIALIZED (
    SELECT reference, contig, start, variant_id, sample_id, dp, likelihood
    FROM rows_read ANTI JOIN repeats USING (reference, contig, start, variant_id)
    UNION ALL
    SELECT
        reference, contig, start, variant_id, sample_id, max(dp), max_by(likelihood, coalesce(alt_copies, -1))
    FROM rows_read SEMI JOIN repeats USING (reference, contig, start, variant_id)
    GROUP BY reference, contig, start, variant_id, sample_id
),
lacking AS MATERIALIZED (
    SELECT s.reference, s.contig, s.start, s."end", s.variant_id
    FROM sites AS s JOIN present AS p USING (reference, contig, start, variant_id)
    WHERE p.n < (SELECT count(*) FROM members) OR p.repeated
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
stretches AS (FROM seen((SELECT any_value(cohort) FROM (FROM missing LIMIT 1)), place => place)),
blocks AS (
    SELECT reference, sample_id, contig, start, "end", gq, min_dp
    FROM reference_blocks
    WHERE sample_id IN (FROM members) AND gap IS NULL AND in_region(place, contig, start, "end")
),
found AS (
    SELECT
        m.reference, m.contig, m.start, m.variant_id, m.sample_id,
        CASE WHEN b."end" > m.start THEN b.min_dp END AS dp,
        CASE
            WHEN c."end" >= m."end" AND c.ploidy IN (1, 2) THEN list_transform(
                range(c.ploidy + 1),
                lambda copies: CASE
                    WHEN copies = 0 THEN 0 WHEN b."end" > m.start THEN CAST(coalesce(b.gq, 20) AS INTEGER) ELSE 20
                END
            )
        END AS likelihood
    FROM missing AS m
    ASOF LEFT JOIN stretches AS c
        ON c.reference = m.reference AND c.sample_id = m.sample_id AND c.contig = m.contig AND m.start >= c.start
    ASOF LEFT JOIN blocks AS b
        ON b.reference = m.reference AND b.sample_id = m.sample_id AND b.contig = m.contig AND m.start >= b.start
),
known AS (
    SELECT reference, contig, start, variant_id, sample_id, dp, likelihood FROM rows_there
    UNION ALL
    FROM found
),
weighed AS (
    -- Copies by the likelihood of each number times its share of genotypes at that frequency (Hardy and Weinberg).
    SELECT
        s.*, k.sample_id, k.dp, k.likelihood,
        CASE CASE WHEN list_max(k.likelihood) > 0 THEN len(k.likelihood) END
            WHEN 2 THEN [(1 - p.af) * pow(10, -k.likelihood[1] / 10), p.af * pow(10, -k.likelihood[2] / 10)]
            WHEN 3 THEN [
                (1 - p.af) * (1 - p.af) * pow(10, -k.likelihood[1] / 10),
                2 * p.af * (1 - p.af) * pow(10, -k.likelihood[2] / 10), p.af * p.af * pow(10, -k.likelihood[3] / 10)
            ]
        END AS weights
    FROM known AS k
    JOIN sites AS s USING (reference, contig, start, variant_id),
        -- Of no copy nobody could be a carrier, of nothing else nobody could lack it.
        LATERAL (SELECT least(greatest(s.af, 1e-9), 1 - 1e-9) AS af) AS p
)
SELECT
    reference, variant_id, contig, start, "end", ref, alt, type, sample_id,
    CASE
        WHEN weights IS NULL THEN './.'
        WHEN len(weights) = 2 THEN ['0', '1'][list_position(weights, list_max(weights))]
        ELSE ['0/0', '0/1', '1/1'][list_position(weights, list_max(weights))]
    END AS gt,
    CAST(list_position(weights, list_max(weights)) - 1 AS TINYINT) AS copies,
    CAST(len(weights) - 1 AS TINYINT) AS alleles,
    -- Phred that it is another one.
    CASE WHEN weights IS NOT NULL THEN CAST(least(99, floor(-10 * log10(greatest(
        (list_sum(weights) - list_max(weights)) / list_sum(weights), 1e-10
    )) + 0.5)) AS INTEGER) END AS gq,
    dp, likelihood AS pl, af, qual
FROM weighed
