-- The columns a caller reads, of every alignment that overlaps a window, and where they are stored.
SELECT start, flag, mapq, cigar, seq, qual, name, duplicate, filename, file_row_number, block_row
FROM stored_alignments
WHERE reference = $reference AND sample_id = $sample AND contig = $contig AND start < $end AND "end" > $start
