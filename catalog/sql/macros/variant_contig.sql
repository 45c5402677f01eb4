-- The contig of an allele by its variant_id, CONTIG-POS-REF-ALT: its own name may hold hyphens.
CREATE OR REPLACE MACRO variant_contig(variant) AS
regexp_extract(variant, '^(.+)-[0-9]+-[A-Za-z]+-.+$', 1)
