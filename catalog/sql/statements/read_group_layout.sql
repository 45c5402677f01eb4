-- Where the reads of a read group are and what its sheet makes of them; no rows where its reads name it themselves.
SELECT DISTINCT
    a.run_id, a.lane, l.index1_start, l.index1_length, l.index2_start, l.index2_length,
    coalesce(g.segment1_start, l.segment1_start, 0) AS segment1_start,
    coalesce(g.segment1_length, l.segment1_length) AS segment1_length,
    coalesce(g.segment2_start, l.segment2_start, 0) AS segment2_start,
    coalesce(g.segment2_length, l.segment2_length) AS segment2_length,
    g.adapter_behavior, g.minimum_trimmed_read_length, g.mask_short_reads
FROM barcode_assignments AS a
JOIN read_groups AS g USING (read_group_id)
JOIN lane_layouts AS l ON l.run_id = a.run_id AND l.lane = a.lane
WHERE a.read_group_id = $read_group_id
