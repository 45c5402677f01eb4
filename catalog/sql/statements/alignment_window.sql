-- The alignments of one window of a contig in SAM's order, and where they are stored. rowid is the order in which they
-- were written.
SELECT
    name, flag, contig, start, "end", mapq, cigar, next_contig, next_start, tlen, seq, qual, tags, read_group_id,
    filename, file_row_number, block_row
FROM stored_alignments
WHERE reference = $reference AND sample_id = $sample AND contig IS NOT DISTINCT FROM $contig
    AND coalesce(start, -1) >= $first AND coalesce(start, -1) < $last
    AND ($region_end IS NULL OR (start < $region_end AND "end" > $region_start))
ORDER BY coalesce(start, -1), rowid
