-- What a sample has on each contig, by bins of 16,384 bases of starts, and in which files: the fingerprint of what a
-- caller would read, and where its alignments lie, however unevenly.
SELECT
    contig, min(start) AS first, max("end") AS last, count(*) AS records,
    list(DISTINCT filename ORDER BY filename) AS files
FROM stored_alignments
WHERE reference = $reference AND sample_id = $sample AND contig IS NOT NULL AND start IS NOT NULL
    AND ($contig IS NULL OR contig = $contig)
GROUP BY contig, start // 16384
