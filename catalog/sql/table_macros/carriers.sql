-- Samples that carry an allele, by its variant_id.
CREATE OR REPLACE MACRO carriers(variant) AS TABLE
-- Of `genotypes` alone, which say all of it: to look into `variants` as well takes twice the time.
SELECT sample_id, gt, alt_copies, gq, dp, ad_ref, ad_alt, qual, filters, reference
FROM genotypes
WHERE variant_id = variant AND alt_copies > 0
    -- What the name tells lets files and row groups be left out. A contig's own name may hold hyphens.
    AND contig = regexp_extract(variant, '^(.+)-[0-9]+-[A-Za-z]+-.+$', 1)
    AND start = CAST(regexp_extract(variant, '^.+-([0-9]+)-[A-Za-z]+-.+$', 1) AS BIGINT) - 1
