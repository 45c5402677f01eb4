-- Alignments that begin in each stretch of 2^16 bases of a contig; -1: without a position.
SELECT contig, CASE WHEN start IS NULL THEN -1 ELSE start >> 16 END AS stretch, count(*) AS records
FROM stored_alignments
WHERE reference = $reference AND sample_id = $sample AND ($contig IS NULL OR contig = $contig)
    AND ($contig IS NULL OR (start < $end AND "end" > $start))
GROUP BY ALL
ORDER BY ALL
