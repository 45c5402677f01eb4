-- The base after its last: as far as REF reaches, or as a symbolic allele's variant_id says after it.
CREATE OR REPLACE MACRO variant_end(variant) AS
coalesce(
    CAST(nullif(regexp_extract(variant, '-<[^>]+>-([0-9]+)$', 1), '') AS BIGINT),
    CAST(regexp_extract(variant, '^.+-([0-9]+)-[A-Za-z]+-.+$', 1) AS BIGINT)
    + length(regexp_extract(variant, '^.+-[0-9]+-([A-Za-z]+)-.+$', 1)) - 1
)
