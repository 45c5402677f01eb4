-- What the samples in `counting` (cohort, sample_id, sign) have of each allele and where they were seen: what `copies` and
-- `seen` say of them, in sums. {here} tells of which contigs and, where they are few, of which samples; {genotypes},
-- {variants} and {blocks} are the tables, or what is to come into them. Rows are summed up by genotype first; of those
-- that are not {untallied} that was done before. Only where alleles meet or overlap, or blocks are about, is there a need
-- to look at each sample.
CREATE OR REPLACE TEMP TABLE count_genotypes AS
SELECT
    k.cohort, k.sign, g.reference, g.contig, g.start, g.variant_id, g.gt, g.alt_copies, g.source_id, count(*) AS n,
    min(g.record) AS first, max(g.record) AS last
FROM {untallied} AS g JOIN counting AS k USING (sample_id)
WHERE {here} AND g.variant_id IS NOT NULL
GROUP BY ALL
UNION ALL BY NAME
SELECT *, 1 AS sign FROM tallied_genotypes;

CREATE OR REPLACE TEMP TABLE count_sites AS
WITH
alleles AS (
    SELECT reference, contig, start, variant_id, bool_or(coalesce(repeated, false)) AS repeated
    FROM (
        SELECT reference, contig, start, variant_id, source_id, min(first) <> max(last) AS repeated
        FROM count_genotypes GROUP BY reference, contig, start, variant_id, source_id
    )
    GROUP BY reference, contig, start, variant_id
),
placed AS (
    SELECT a.*, v."end", v.type IN ('symbolic', 'breakend') AS shapeless
    FROM alleles AS a JOIN {variants} AS v USING (reference, contig, start, variant_id)
),
with_blocks AS (
    SELECT DISTINCT g.reference, g.contig FROM {blocks} AS g
    WHERE {here} AND g.sample_id IN (SELECT sample_id FROM counting)
)
SELECT
    p.* EXCLUDE (repeated),
    NOT p.repeated AND NOT p.shapeless AND b.contig IS NULL
        AND coalesce(p.start > max(p."end") OVER before, true) AND coalesce(p."end" < lead(p.start) OVER sorted, true)
        AS lonely
FROM placed AS p LEFT JOIN with_blocks AS b ON b.reference = p.reference AND b.contig = p.contig
WINDOW
    sorted AS (PARTITION BY p.reference, p.contig ORDER BY p.start, p."end", p.variant_id),
    before AS (
        PARTITION BY p.reference, p.contig ORDER BY p.start, p."end", p.variant_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    );

CREATE OR REPLACE TEMP TABLE count_others AS
SELECT
    g.reference, g.contig, g.start, g.variant_id, g.sample_id, s."end", s.shapeless, g.gt, g.alt_copies
FROM {genotypes} AS g JOIN (FROM count_sites WHERE NOT lonely) AS s USING (reference, contig, start, variant_id)
WHERE {here} AND g.sample_id IN (SELECT sample_id FROM counting);

CREATE OR REPLACE TEMP TABLE count_stretches AS
WITH
pieces AS (
    SELECT g.reference, g.sample_id, g.contig, g.start, g."end", g.ploidy
    FROM {blocks} AS g
    WHERE {here} AND g.gap IS NULL AND g.sample_id IN (SELECT sample_id FROM counting)
    UNION ALL
    SELECT reference, sample_id, contig, start, "end", lake.called_alleles(gt)
    FROM count_others WHERE NOT shapeless AND NOT contains(gt, '.')
)
FROM lake.stretches_of('pieces')
