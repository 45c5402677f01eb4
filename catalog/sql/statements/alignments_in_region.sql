-- All of every alignment that overlaps a region, by start, and where it is stored.
SELECT
    reference, sample_id, read_group_id, name, flag, contig, start, "end", mapq, cigar, next_contig, next_start, tlen,
    seq, qual, tags, duplicate, filename, file_row_number, block_row
FROM stored_alignments
WHERE reference = $reference AND sample_id = $sample AND contig = $contig AND start < $end AND "end" > $start
ORDER BY start, rowid
