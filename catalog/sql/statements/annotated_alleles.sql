-- Rows of `annotations` from records of a VCF: each alternate by itself, with the values of its own where a key has one
-- for each. $named is how the file calls the contig.
WITH
alleles AS (
    SELECT
        unnest(variant_ids) AS variant_id, generate_subscripts(variant_ids, 1) AS place, len(alts) AS alternates, id, filters,
        info_keys, info_integers, info_floats, info_strings
    FROM records
),
named AS (
    SELECT
        * EXCLUDE (variant_id), $contig || substr(variant_id, length($named) + 1) AS variant_id,
        CAST(regexp_extract(variant_id, '^.+-([0-9]+)-[A-Za-z]+-.+$', 1) AS INTEGER) - 1 AS start
    FROM alleles
    WHERE variant_id IS NOT NULL
)
SELECT
    variant_id, start, id, filters,
    list_filter(info_keys, lambda key: list_contains($flags, key) AND wanted(key)) AS flags,
    of_allele(info_integers, place, alternates) AS integers,
    of_allele(info_floats, place, alternates) AS floats,
    of_allele(info_strings, place, alternates) AS strings
FROM named
ORDER BY start, variant_id
