-- The first base of such an allele, 0-based.
CREATE OR REPLACE MACRO variant_start(variant) AS
CAST(regexp_extract(variant, '^.+-([0-9]+)-[A-Za-z]+-.+$', 1) AS BIGINT) - 1
