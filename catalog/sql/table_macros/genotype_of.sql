-- One sample's genotype of an allele: as it was called, 0/0 where it was seen to be the reference, NULL otherwise; `state`
-- as in `observed`.
CREATE OR REPLACE MACRO genotype_of(variant, sample, min_depth := 0) AS TABLE
WITH
asked AS (
    SELECT * FROM variants
    WHERE variant_id = variant AND contig = regexp_extract(variant, '^(.+)-[0-9]+-[A-Za-z]+-.+$', 1)
),
own AS MATERIALIZED (
    SELECT reference, variant_id, gt, alt_copies, gq, dp FROM genotypes
    WHERE sample_id = sample AND variant_id = variant
        AND contig = regexp_extract(variant, '^(.+)-[0-9]+-[A-Za-z]+-.+$', 1)
        AND start = CAST(regexp_extract(variant, '^.+-([0-9]+)-[A-Za-z]+-.+$', 1) AS BIGINT) - 1
    QUALIFY row_number() OVER (PARTITION BY reference ORDER BY alt_copies DESC NULLS LAST) = 1
),
-- Of nobody where the genotype says it. What lies beside the allele does not matter.
stretches AS (
    FROM seen(
        (SELECT CASE WHEN count(*) = 0 THEN sample END FROM own WHERE alt_copies IS NOT NULL),
        place => regexp_extract(variant, '^(.+)-[0-9]+-[A-Za-z]+-.+$', 1) || ':'
            || regexp_extract(variant, '^.+-([0-9]+)-[A-Za-z]+-.+$', 1) || '-'
            || coalesce(
                nullif(regexp_extract(variant, '-<[^>]+>-([0-9]+)$', 1), ''),
                CAST(
                    CAST(regexp_extract(variant, '^.+-([0-9]+)-[A-Za-z]+-.+$', 1) AS BIGINT)
                    + length(regexp_extract(variant, '^.+-[0-9]+-([A-Za-z]+)-.+$', 1)) - 1 AS VARCHAR
                )
            ),
        min_depth => min_depth
    )
)
SELECT
    a.reference, a.variant_id, sample AS sample_id,
    coalesce(o.gt, array_to_string(list_transform(range(c.ploidy), lambda copy: '0'), '/')) AS gt,
    CASE
        WHEN o.alt_copies > 0 THEN 'carrier'
        WHEN o.alt_copies = 0 OR c.ploidy IS NOT NULL THEN 'reference'
        WHEN o.variant_id IS NOT NULL THEN 'no_call'
        ELSE 'not_seen'
    END AS state,
    o.gq, o.dp
FROM asked AS a
LEFT JOIN own AS o USING (reference, variant_id)
LEFT JOIN stretches AS c ON c.reference = a.reference AND c.contig = a.contig AND c.start <= a.start AND c."end" >= a."end"
