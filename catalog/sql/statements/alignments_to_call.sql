-- The columns a caller reads, of every alignment that overlaps a window.
SELECT start, flag, mapq, cigar, seq, qual, name, duplicate
FROM alignments
WHERE reference = $reference AND sample_id = $sample AND contig = $contig AND start < $end AND "end" > $start
