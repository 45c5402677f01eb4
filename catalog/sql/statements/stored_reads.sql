-- Reads that name their read group, in the order they are stored: the segments of a template stand together. No join
-- and no ORDER BY, either of which could part them.
SELECT name, name AS fastq_name, comment, segment, seq, qual, umi, tags, filtered, index1_seq, index2_seq
FROM read_records
WHERE read_group_id = $read_group_id
