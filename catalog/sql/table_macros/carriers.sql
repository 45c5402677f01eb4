-- Samples that carry an allele, by its variant_id.
CREATE OR REPLACE MACRO carriers(variant) AS TABLE
-- Of `genotypes` alone, which say all of it: to look into `variants` as well takes twice the time.
SELECT sample_id, gt, alt_copies, gq, dp, ad_ref, ad_alt, qual, filters, reference
FROM genotypes
WHERE variant_id = variant AND alt_copies > 0
    -- What the name tells lets files and row groups be left out.
    AND contig = variant_contig(variant) AND start = variant_start(variant)
