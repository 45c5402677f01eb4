-- The alleles of rows of `genotypes`, which a query calls `rows`: how many rows each has (`present`), and whether it stands
-- in several records of a file (`repeated`), so that a sample may have several.
CREATE OR REPLACE MACRO sites_of(rows) AS TABLE
SELECT reference, contig, start, variant_id, sum(present) AS present, coalesce(bool_or(repeated), false) AS repeated
FROM (
    SELECT reference, contig, start, variant_id, count(*) AS present, min(record) <> max(record) AS repeated
    FROM query_table(rows)
    GROUP BY reference, contig, start, variant_id, source_id
)
GROUP BY reference, contig, start, variant_id
