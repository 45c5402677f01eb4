-- What the samples in chosen_samples have of those records, in the same order, then as the samples were asked for. Of
-- several rows of a record the first is the one that has what no column has.
SELECT
    s.number AS source, g.record, n.number AS sample, g.gt, g.gq, g.dp, g.ad_ref, g.ad_alt, g.ps, g.pl, g.site_pl, g.sb,
    g.format_integers, g.format_floats, g.format_strings
FROM genotypes AS g
JOIN chosen_samples AS n USING (sample_id)
JOIN chosen_sources AS s USING (source_id)
JOIN vcf_records AS r ON r.reference = g.reference AND r.contig = g.contig AND r.source_id = g.source_id AND r.record = g.record
JOIN contigs AS c ON c.reference = g.reference AND c.contig = g.contig
WHERE g.reference = $reference AND r.reference = $reference
    AND ($contig IS NULL OR (g.contig = $contig AND r.contig = $contig AND r.start < $end AND r."end" > $start))
ORDER BY c.ordinal, r.start, s.number, g.record, n.number, g.allele_index
