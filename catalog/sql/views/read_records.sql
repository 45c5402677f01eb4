-- Reads as they left the sequencer, their coded columns decoded; of rows that came before release 0.4, as they are.
CREATE OR REPLACE VIEW read_records AS
SELECT
    run_id, lane, read_group_id,
    CASE WHEN block_row IS NULL THEN name ELSE decode_name(filename, file_row_number, block_row) END AS name,
    comment, segment,
    CASE WHEN block_row IS NULL THEN seq ELSE decode_seq(filename, file_row_number, block_row) END AS seq,
    CASE WHEN block_row IS NULL THEN qual ELSE decode_qual(filename, file_row_number, block_row) END AS qual,
    index1_seq, index1_qual, index2_seq, index2_qual, umi,
    CASE WHEN block_row IS NULL THEN tags ELSE decode_tags(filename, file_row_number, block_row) END AS tags,
    filtered, tile, adapter_start
FROM stored_reads
