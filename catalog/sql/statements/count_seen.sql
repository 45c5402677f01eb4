-- From count_rows.sql: what is to be added to `seen_counts`.
SELECT
    cohort, reference, contig, CAST(start AS INTEGER) AS start, CAST("end" AS INTEGER) AS "end",
    CAST(ploidy AS TINYINT) AS ploidy, CAST(sum(n) AS INTEGER) AS samples
FROM (
    SELECT
        g.cohort, g.reference, g.contig, g.start, s."end", lake.called_alleles(g.gt) AS ploidy, g.sign * g.n AS n
    FROM count_genotypes AS g JOIN (FROM count_sites WHERE lonely) AS s USING (reference, contig, start, variant_id)
    WHERE NOT contains(g.gt, '.')
    UNION ALL BY NAME
    SELECT k.cohort, c.reference, c.contig, c.start, c."end", c.ploidy, k.sign AS n
    FROM count_stretches AS c JOIN counting AS k USING (sample_id)
)
GROUP BY cohort, reference, contig, start, "end", ploidy
HAVING sum(n) <> 0
ORDER BY cohort, reference, contig, start, "end", ploidy
