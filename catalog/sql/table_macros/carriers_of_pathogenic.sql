-- Genotypes of members of a cohort that have an allele which the source clinvar says to be pathogenic or likely so.
CREATE OR REPLACE MACRO carriers_of_pathogenic(cohort) AS TABLE
WITH members AS (FROM cohort_members(cohort))
SELECT
    c.sample_id, c.reference, c.variant_id, k.significance, e.gene, e.terms, e.hgvs_c, e.hgvs_p, c.gt, c.alt_copies, c.gq,
    c.dp, c.filters
FROM (
    SELECT a.reference, a.contig, a.start, a.variant_id, list_distinct(flatten(list(a.strings['CLNSIG']))) AS significance
    FROM current_annotations AS a
    WHERE a.source = 'clinvar' AND is_pathogenic(a.strings['CLNSIG'])
    GROUP BY ALL
) AS k
JOIN calls AS c USING (reference, contig, start, variant_id)
LEFT JOIN (
    FROM effects() AS w
    QUALIFY row_number() OVER (
        PARTITION BY w.reference, w.contig, w.start, w.variant_id ORDER BY impact_rank(w.impact), w.gene_id
    ) = 1
) AS e USING (reference, contig, start, variant_id)
WHERE c.sample_id IN (FROM members)
