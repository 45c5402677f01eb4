-- The rows of sites with several alternates, one per alternate.
SELECT g.*, v.ref, v.alt
FROM genotypes AS g JOIN variants AS v USING (reference, variant_id)
WHERE g.reference = $reference AND g.sample_id = $sample AND g.site_pl IS NOT NULL
    AND ($contig IS NULL OR (g.contig = $contig AND g.start < $end AND v."end" > $start))
ORDER BY g.contig, g.start, g.allele_index
