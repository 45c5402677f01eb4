-- SAM records with their coded columns decoded; of rows that came before release 0.4, as they are.
CREATE OR REPLACE VIEW alignments AS
SELECT
    reference, sample_id, read_group_id,
    CASE WHEN block_row IS NULL THEN name ELSE decode_name(filename, file_row_number, block_row) END AS name,
    flag, contig, start, "end", mapq, cigar, next_contig,
    CASE WHEN block_row IS NULL THEN next_start ELSE decode_next_start(filename, file_row_number, block_row) END AS next_start,
    CASE WHEN block_row IS NULL THEN tlen ELSE decode_tlen(filename, file_row_number, block_row) END AS tlen,
    CASE WHEN block_row IS NULL THEN seq ELSE decode_seq(filename, file_row_number, block_row) END AS seq,
    CASE WHEN block_row IS NULL THEN qual ELSE decode_qual(filename, file_row_number, block_row) END AS qual,
    CASE WHEN block_row IS NULL THEN tags ELSE decode_tags(filename, file_row_number, block_row) END AS tags,
    duplicate
FROM stored_alignments
