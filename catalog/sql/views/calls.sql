-- One line per sample and allele: genotypes beside the alleles they are of.
CREATE OR REPLACE VIEW calls AS
SELECT
    g.sample_id, v.contig, v.start, v."end", v.ref, v.alt, v.type, g.gt, g.alt_copies, g.gq, g.dp, g.ad_ref,
    g.ad_alt, g.qual, g.filters, g.variant_id, g.reference
FROM genotypes AS g JOIN variants AS v USING (reference, variant_id)
