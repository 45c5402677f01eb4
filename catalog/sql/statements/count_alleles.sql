-- From count_rows.sql: what is to be added to `allele_counts`.
WITH
single AS (
    SELECT
        g.cohort, g.sign * g.n AS n, g.reference, g.contig, g.start, g.variant_id, g.alt_copies AS copies,
        coalesce(lake.called_alleles(g.gt), 0) AS alleles,
        CASE WHEN NOT contains(g.gt, '.') THEN lake.called_alleles(g.gt) END AS ploidy,
        contains(g.gt, '.') AS half
    FROM count_genotypes AS g JOIN (FROM count_sites WHERE lonely) AS s USING (reference, contig, start, variant_id)
),
others AS (
    SELECT
        reference, contig, start, variant_id, sample_id, any_value("end") AS "end", max(alt_copies) AS alt_copies,
        max_by(gt, coalesce(alt_copies, -1)) AS gt
    FROM count_others GROUP BY reference, contig, start, variant_id, sample_id
),
found AS (
    SELECT o.*, CASE WHEN c."end" >= o."end" THEN c.ploidy END AS ploidy
    FROM others AS o
    ASOF LEFT JOIN count_stretches AS c
        ON c.reference = o.reference AND c.sample_id = o.sample_id AND c.contig = o.contig AND o.start >= c.start
),
counted AS (
    FROM single
    UNION ALL BY NAME
    SELECT
        k.cohort, k.sign AS n, f.reference, f.contig, f.start, f.variant_id, f.alt_copies AS copies,
        coalesce(lake.called_alleles(f.gt), 0) AS alleles, f.ploidy,
        contains(f.gt, '.') AS half
    FROM found AS f JOIN counting AS k USING (sample_id)
)
SELECT
    cohort, reference, contig, CAST(start AS INTEGER) AS start, variant_id,
    CAST(sum(n) AS INTEGER) AS genotypes,
    CAST(sum(n * coalesce(copies, 0)) AS INTEGER) AS ac,
    CAST(sum(n * alleles) AS INTEGER) AS an,
    CAST(coalesce(sum(n) FILTER (copies > 0 AND copies < alleles), 0) AS INTEGER) AS het,
    CAST(coalesce(sum(n) FILTER (copies = alleles AND copies > 1), 0) AS INTEGER) AS hom_alt,
    CAST(coalesce(sum(n) FILTER (copies = 1 AND alleles = 1 AND NOT half), 0) AS INTEGER) AS hemi,
    CAST(coalesce(sum(n) FILTER (copies IS NULL), 0) AS INTEGER) AS no_call,
    CAST(coalesce(sum(n) FILTER (ploidy IS NOT NULL), 0) AS INTEGER) AS seen,
    CAST(coalesce(sum(n * ploidy), 0) AS INTEGER) AS seen_alleles
FROM counted
GROUP BY cohort, reference, contig, start, variant_id
ORDER BY cohort, reference, contig, start, variant_id
