-- One sample's genotype of an allele: as it was called, 0/0 where it was seen to be the reference, NULL otherwise; `state`
-- as in `observed`.
CREATE OR REPLACE MACRO genotype_of(variant, sample, min_depth := 0) AS TABLE
-- Each table is looked into once: to find its files takes longer than to read what lies in one place.
WITH
beside AS MATERIALIZED (
    SELECT reference, contig, start, "end", variant_id, type
    FROM variants
    WHERE contig = variant_contig(variant) AND start < variant_end(variant) AND "end" > variant_start(variant)
),
asked AS (SELECT * FROM beside WHERE variant_id = variant),
-- Alleles of the sample that overlap the one that is asked of, itself among them.
called AS MATERIALIZED (
    SELECT b.*, g.gt, g.alt_copies, g.gq, g.dp
    FROM genotypes AS g JOIN beside AS b USING (reference, contig, start, variant_id)
    WHERE g.sample_id = sample AND g.contig = variant_contig(variant)
),
own AS (
    SELECT reference, gt, alt_copies, gq, dp FROM called WHERE variant_id = variant
    QUALIFY row_number() OVER (PARTITION BY reference ORDER BY alt_copies DESC NULLS LAST) = 1
),
-- What `seen` joins to stretches, of this place.
pieces AS (
    SELECT reference, start, "end", ploidy
    FROM reference_blocks
    WHERE sample_id = sample AND gap IS NULL AND coalesce(min_dp, dp, 0) >= min_depth
        AND contig = variant_contig(variant) AND start < variant_end(variant) AND "end" > variant_start(variant)
    UNION ALL
    SELECT reference, start, "end", called_alleles(gt)
    FROM called
    WHERE NOT contains(gt, '.') AND coalesce(dp, 0) >= min_depth AND type NOT IN ('symbolic', 'breakend')
),
-- A piece that begins inside the allele where none of its ploidy before it reaches: a stretch ends there.
joined AS (
    SELECT
        p.*,
        p.start > a.start AND p.start > coalesce(
            max(p."end") OVER (
                PARTITION BY p.reference, p.ploidy ORDER BY p.start, p."end"
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ),
            -1
        ) AS apart
    FROM pieces AS p JOIN asked AS a USING (reference)
),
stretches AS (
    SELECT reference, ploidy, min(start) AS start, max("end") AS "end", bool_or(apart) AS apart
    FROM joined
    GROUP BY reference, ploidy
),
-- Where ploidies overlap, the stretch that begins last counts, as in `seen`.
covered AS (
    SELECT reference, max_by(ploidy, (start, ploidy)) AS ploidy, max_by("end", (start, ploidy)) AS "end"
    FROM stretches
    GROUP BY reference
    HAVING NOT bool_or(apart)
)
SELECT
    a.reference, a.variant_id, sample AS sample_id,
    CASE
        WHEN o.alt_copies = 0 AND coalesce(o.dp, 0) < min_depth THEN NULL
        WHEN o.reference IS NOT NULL THEN o.gt
        ELSE array_to_string(list_transform(range(c.ploidy), lambda copy: '0'), '/')
    END AS gt,
    CASE
        WHEN o.alt_copies > 0 THEN 'carrier'
        WHEN o.alt_copies = 0 THEN CASE WHEN coalesce(o.dp, 0) < min_depth THEN 'not_seen' ELSE 'reference' END
        WHEN o.reference IS NOT NULL THEN 'no_call'
        WHEN c.ploidy IS NOT NULL THEN 'reference'
        ELSE 'not_seen'
    END AS state,
    o.gq, o.dp
FROM asked AS a
LEFT JOIN own AS o USING (reference)
LEFT JOIN covered AS c ON c.reference = a.reference AND c."end" >= a."end"
