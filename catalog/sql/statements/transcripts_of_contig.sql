SELECT
    transcript_id, gene_id, gene, biotype, canonical, mane, strand, exon_starts, exon_ends, cds_start, cds_end, phase,
    whole_start, whole_end
FROM transcripts
WHERE reference = $reference AND contig = $contig AND release_id = $release
ORDER BY start, "end", transcript_id
