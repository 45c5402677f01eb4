-- Reads as they left the sequencer, with the sample their read group is assigned to now.
CREATE OR REPLACE VIEW reads AS
SELECT
    r.run_id, r.lane, g.sample_id, r.read_group_id, r.name, r.segment, r.seq, r.qual, r.index1_seq, r.index1_qual,
    r.index2_seq, r.index2_qual, r.umi, r.tags, r.filtered, r.comment
FROM read_records AS r LEFT JOIN read_groups AS g USING (read_group_id)
