-- Members of a cohort genotyped together: what each has of each allele that any member has a genotype of, by its own
-- likelihoods and the allele's frequency in the cohort: a row for each, `gt` being ./. of whom nothing is known. Where a
-- member has no genotype of the allele its reference block tells how sure the reference is. Frequencies are those of
-- `baselake genotype` where it was run, else of the genotypes as they were called.
CREATE OR REPLACE MACRO joint_genotypes(cohort, place := '') AS TABLE
WITH
sites AS MATERIALIZED (FROM joint_sites(cohort, place => place)),
members AS MATERIALIZED (FROM cohort_members(cohort)),
rows_there AS NOT MATERIALIZED (FROM genotypes_of('members', cohort, place => place)),
present AS MATERIALIZED (FROM sites_of('rows_there')),
repeats AS MATERIALIZED (SELECT reference, contig, start, variant_id FROM present WHERE repeated),
own AS (
    SELECT
        reference, contig, start, variant_id, sample_id, dp,
        likelihoods(pl, site_pl, allele_index, gt, alt_copies, gq) AS likelihood
    FROM rows_there ANTI JOIN repeats USING (reference, contig, start, variant_id)
    UNION ALL
    SELECT
        reference, contig, start, variant_id, sample_id, dp,
        likelihoods(pl, site_pl, allele_index, gt, alt_copies, gq)
    FROM repeated_of('rows_there', 'present')
),
asked AS (FROM present SEMI JOIN sites USING (reference, contig, start, variant_id)),
absent AS (FROM absent_of('rows_there', 'asked', 'members', cohort, place => place)),
blocks AS (
    SELECT reference, sample_id, contig, start, "end", gq, min_dp
    FROM reference_blocks
    WHERE sample_id IN (FROM members) AND gap IS NULL AND in_region(place, contig, start, "end")
),
found AS (
    SELECT
        m.reference, m.contig, m.start, m.variant_id, m.sample_id, CASE WHEN b."end" > m.start THEN b.min_dp END AS dp,
        CASE
            WHEN m.ploidy IN (1, 2) THEN list_transform(
                range(m.ploidy + 1),
                lambda copies: CASE
                    WHEN copies = 0 THEN 0 WHEN b."end" > m.start THEN CAST(coalesce(b.gq, 20) AS INTEGER) ELSE 20
                END
            )
        END AS likelihood
    FROM absent AS m
    ASOF LEFT JOIN blocks AS b
        ON b.reference = m.reference AND b.sample_id = m.sample_id AND b.contig = m.contig AND m.start >= b.start
),
known AS (
    FROM own
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
