-- What coverage and template lengths are counted from, of every alignment that overlaps a stretch, and where it is stored.
SELECT start, flag, cigar, tlen, filename, file_row_number, block_row
FROM stored_alignments
WHERE reference = $reference AND sample_id = $sample AND contig = $contig AND start < $end AND "end" > $start
