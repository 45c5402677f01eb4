-- Alleles of the lake in a gene, by symbol or identifier, with the gravest of what each does: `effects` beside `variants`.
CREATE OR REPLACE MACRO gene(symbol) AS TABLE
SELECT v.*, e.* EXCLUDE (reference, variant_id, contig, start)
FROM effects(symbol => symbol) AS e JOIN variants AS v USING (reference, contig, start, variant_id)
