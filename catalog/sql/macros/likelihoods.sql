-- Phred likelihoods of a sample's having 0, 1, ... copies of an allele, the least being 0; NULL: nothing is known. Of a site
-- with more alternates the best genotype with so many copies counts. Without PL the genotype that was called counts as
-- better than any other by GQ, or by 20 (as sure as a reference block has to be) where no GQ is told.
CREATE OR REPLACE MACRO likelihoods(pl, site_pl, allele_index, gt, alt_copies, gq) AS
CASE
    WHEN site_pl IS NOT NULL AND len(pl) = 3 AND NOT list_contains(list_transform(site_pl, lambda x: x IS NULL), true) THEN
        list_transform([0, 1, 2], lambda wanted: list_min(list_transform(
            range(len(site_pl)), lambda i: CASE
                -- Genotype i is of alleles low and high (VCF 4.3, section 1.6.2): i = high (high + 1) / 2 + low.
                WHEN (CAST(floor((sqrt(8 * i + 1) - 1) / 2) AS BIGINT) = allele_index)::INTEGER
                    + (i - CAST(floor((sqrt(8 * i + 1) - 1) / 2) * (floor((sqrt(8 * i + 1) - 1) / 2) + 1) / 2 AS BIGINT)
                        = allele_index)::INTEGER = wanted
                THEN site_pl[i + 1] - list_min(site_pl)
            END
        )))
    WHEN len(pl) IN (2, 3) AND NOT list_contains(list_transform(pl, lambda x: x IS NULL), true) THEN
        list_transform(pl, lambda x: x - list_min(pl))
    WHEN alt_copies IS NOT NULL AND len(translate(gt, '/|', '')) IN (1, 2) AND NOT contains(gt, '.') THEN
        list_transform(
            range(len(translate(gt, '/|', '')) + 1),
            lambda copies: CASE WHEN copies = alt_copies THEN 0 ELSE CAST(coalesce(gq, 20) AS INTEGER) END
        )
END
