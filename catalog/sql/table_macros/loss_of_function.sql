-- Alleles that a cohort carries, that take away the function of a gene (`lof`; the doubts beside it), that are no more
-- frequent than max_af and not known to be benign. Frequent is by AF of the source gnomad, where an allele that it has not
-- has 0; without such a source, by the cohort. Known is by CLNSIG of the source clinvar.
CREATE OR REPLACE MACRO loss_of_function(cohort, max_af := 0.001, min_depth := 0) AS TABLE
SELECT
    f.*, e.gene_id, e.gene, e.transcript_id, e.terms, e.hgvs_c, e.hgvs_p, e.lof_doubts, p.af AS af_gnomad, k.significance
FROM effects() AS e
JOIN allele_frequency(cohort, min_depth => min_depth) AS f USING (reference, contig, start, variant_id)
LEFT JOIN frequencies('gnomad') AS p USING (reference, contig, start, variant_id)
LEFT JOIN (
    SELECT a.reference, a.contig, a.start, a.variant_id, list_distinct(flatten(list(a.strings['CLNSIG']))) AS significance
    FROM current_annotations AS a WHERE a.source = 'clinvar' GROUP BY ALL
) AS k USING (reference, contig, start, variant_id)
WHERE e.lof AND f.ac > 0 AND NOT coalesce(is_benign(k.significance), false)
    AND CASE
        WHEN EXISTS (FROM current_releases AS r WHERE r.source = 'gnomad' AND r.reference = f.reference)
        THEN coalesce(p.af, 0)
        ELSE f.af
    END <= max_af
