-- A sample's calls on a contig, one row an allele; in an order, so that sums of them are always the same.
SELECT
    g.start, v."end", v.ref, v.alt, v.type, g.gt, coalesce(g.alt_copies, 0) AS alt_copies, g.gq, g.ad_ref, g.ad_alt,
    g.filters
FROM genotypes AS g JOIN variants AS v USING (reference, variant_id)
WHERE g.reference = $reference AND g.sample_id = $sample AND g.contig = $contig AND v.contig = $contig
    -- Of imported genotypes those that have the allele.
    AND (g.source_id IS NULL OR g.alt_copies > 0)
ORDER BY g.start, g.variant_id
