-- Rows of `genotypes`, which a query calls `rows`, of alleles of `sites` (`sites_of`) that stand in several records of a
-- file: those of a sample as one, the one with the most copies, and the most reads of any.
CREATE OR REPLACE MACRO repeated_of(rows, sites) AS TABLE
SELECT * REPLACE (max(dp) OVER (PARTITION BY reference, contig, start, variant_id, sample_id) AS dp)
FROM query_table(rows)
    SEMI JOIN (SELECT reference, contig, start, variant_id FROM query_table(sites) WHERE repeated)
        USING (reference, contig, start, variant_id)
QUALIFY row_number() OVER (
    PARTITION BY reference, contig, start, variant_id, sample_id ORDER BY alt_copies DESC NULLS LAST
) = 1
