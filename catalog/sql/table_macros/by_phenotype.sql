-- Genes that share terms of the Human Phenotype Ontology with a sample (`samples set --phenotype`), by sources keyed by
-- gene that have a column hpo_id, as HPO's own genes_to_phenotype; and how many alleles the sample carries in each that
-- change its protein. Where the ontology is loaded (`annotate ontology`), a term of the sample stands for all below it
-- as well; without it terms are compared as they stand.
CREATE OR REPLACE MACRO by_phenotype(sample) AS TABLE
WITH RECURSIVE
told AS (SELECT unnest(s.phenotypes) AS term FROM samples AS s WHERE s.sample_id = sample),
meant AS (
    SELECT t.term AS told, t.term FROM told AS t
    UNION
    SELECT t.term, o.term FROM told AS t JOIN ontology_terms AS o ON list_contains(o.alt_ids, t.term)
    UNION
    SELECT m.told, o.term
    FROM meant AS m JOIN (SELECT p.term, unnest(p.parents) AS parent FROM ontology_terms AS p) AS o ON o.parent = m.term
),
matched AS (
    SELECT
        a.gene, count(DISTINCT m.told) AS matches, list_sort(list(DISTINCT m.told)) AS terms,
        list_sort(list(DISTINCT a.strings['hpo_name'][1])) AS names
    FROM gene_annotations AS a JOIN meant AS m ON m.term = a.strings['hpo_id'][1]
    WHERE a.release_id IN (SELECT r.release_id FROM current_releases AS r WHERE r.kind = 'gene_terms')
    GROUP BY a.gene
),
changed AS (
    SELECT e.gene, count(DISTINCT e.variant_id) AS alleles
    FROM effects() AS e JOIN calls AS c USING (reference, contig, start, variant_id)
    WHERE c.sample_id = sample AND impact_rank(e.impact) <= 2
    GROUP BY e.gene
)
SELECT m.gene, m.matches, m.terms, m.names, coalesce(c.alleles, 0) AS alleles
FROM matched AS m LEFT JOIN changed AS c ON c.gene = m.gene
ORDER BY m.matches DESC, alleles DESC, m.gene
