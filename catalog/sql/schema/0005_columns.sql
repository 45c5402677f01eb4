-- Large columns in blocks (lake/columns). Rows that are there keep their plain columns; views of the old names show both.

ALTER TABLE stored_reads ADD COLUMN block_row INTEGER;
ALTER TABLE stored_reads ADD COLUMN name_block BLOB;
ALTER TABLE stored_reads ADD COLUMN seq_block BLOB;
ALTER TABLE stored_reads ADD COLUMN qual_block BLOB;
ALTER TABLE stored_reads ADD COLUMN tags_block BLOB;

ALTER TABLE stored_alignments ADD COLUMN block_row INTEGER;
ALTER TABLE stored_alignments ADD COLUMN name_block BLOB;
ALTER TABLE stored_alignments ADD COLUMN mate_block BLOB;
ALTER TABLE stored_alignments ADD COLUMN seq_block BLOB;
ALTER TABLE stored_alignments ADD COLUMN qual_block BLOB;
ALTER TABLE stored_alignments ADD COLUMN tags_block BLOB;
