-- Alleles of a cohort genotyped together: the frequency by all likelihoods, and `qual`, phred that nobody has the allele.
-- Without `baselake genotype` the frequency is that of the genotypes as they were called, and `qual` NULL.
CREATE OR REPLACE MACRO joint_sites(cohort, place := '') AS TABLE
WITH
sums AS (
    SELECT
        reference, contig, start, variant_id, sum(j.an) AS rows_an, sum(j.alleles) AS alleles,
        sum(j.expected) AS expected, sum(j.log_ratio) AS log_ratio
    FROM joint_sums AS j WHERE j.cohort = cohort AND (place = '' OR j.contig = region_contig(place))
    GROUP BY ALL
),
rated AS (
    SELECT
        f.*, v."end", greatest(f.an - coalesce(s.rows_an, 0), 0) AS others, s.alleles, s.log_ratio,
        CASE
            WHEN s.expected IS NULL THEN f.af
            ELSE s.expected / nullif(s.alleles + greatest(f.an - s.rows_an, 0), 0)
        END AS joint_af
    FROM allele_frequency(cohort, place => place) AS f
    JOIN variants AS v USING (reference, contig, start, variant_id)
    LEFT JOIN sums AS s USING (reference, contig, start, variant_id)
),
compared AS (
    -- How often a site varies at all among so many copies: 0.001 to a pair (Watterson 1975), as bcftools call -m has it.
    SELECT
        *, 0.001 * (ln(greatest(alleles + others - 1, 1)) + 0.5772156649) AS prior,
        -- Who has no genotype of the allele was seen to have the reference.
        log_ratio + others * ln(1 - least(joint_af, 1 - 1e-9)) AS odds
    FROM rated
)
SELECT
    reference, variant_id, contig, start, "end", ref, alt, type, ac, an, joint_af AS af, not_seen,
    CAST(
        10 / ln(10) * CASE
            WHEN odds > 50 THEN odds + ln(prior / (1 - prior))
            ELSE ln(1 + prior / (1 - prior) * exp(odds))
        END AS FLOAT
    ) AS qual
FROM compared
