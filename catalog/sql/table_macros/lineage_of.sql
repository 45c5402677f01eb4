-- Where a sample's genotype of a variant comes from: `variant_lineage` of that row.
CREATE OR REPLACE MACRO lineage_of(variant, sample) AS TABLE
SELECT * FROM variant_lineage WHERE variant_id = variant AND sample_id = sample
