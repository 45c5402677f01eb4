-- Records of the files in chosen_sources, in the order of the reference, then as they stood. Those of one file and contig
-- ascend by start, those of several files do not overlap.
SELECT
    s.number AS source, r.record, r.contig, r.start, r.id, r.ref, r.alts, r.qual, r.filters, r.info_keys, r.info_integers,
    r.info_floats, r.info_strings, r.format_keys
FROM vcf_records AS r
JOIN chosen_sources AS s USING (source_id)
JOIN contigs AS c ON c.reference = r.reference AND c.contig = r.contig
WHERE r.reference = $reference AND ($contig IS NULL OR (r.contig = $contig AND r.start < $end AND r."end" > $start))
ORDER BY c.ordinal, r.start, s.number, r.record
