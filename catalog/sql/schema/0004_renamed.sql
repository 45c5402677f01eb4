-- Release 0.4: what holds reads and alignments gets another name, so that views can have the old ones. This step is
-- committed by itself: DuckLake (1.5.5) neither lets a view take the name of a table renamed in the same transaction nor
-- renames one that was altered in it.

ALTER TABLE read_records RENAME TO stored_reads;
ALTER TABLE alignments RENAME TO stored_alignments;
