-- Alleles of the lake in the genes of a panel, as `gene` has them.
CREATE OR REPLACE MACRO panel(panel_name) AS TABLE
SELECT v.*, e.* EXCLUDE (reference, variant_id, contig, start)
FROM effects() AS e JOIN variants AS v USING (reference, contig, start, variant_id)
WHERE EXISTS (FROM panels AS p WHERE p.panel = panel_name AND p.gene IN (e.gene, e.gene_id, split_part(e.gene_id, '.', 1)))
