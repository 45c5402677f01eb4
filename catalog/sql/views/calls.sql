-- One line per sample and allele that it carries: genotypes beside the alleles they are of. Imported genotypes without
-- the allele (0/0) or without a call (./.) are in `genotypes`.
CREATE OR REPLACE VIEW calls AS
SELECT
    g.sample_id, v.contig, v.start, v."end", v.ref, v.alt, v.type, g.gt, g.alt_copies, g.gq, g.dp, g.ad_ref,
    g.ad_alt, g.qual, g.filters, g.variant_id, g.reference
FROM genotypes AS g
-- Contig and start are told by variant_id: with them files and row groups of both tables are left out by one condition.
JOIN variants AS v USING (reference, contig, start, variant_id)
WHERE g.alt_copies > 0
