-- The read groups of a sample, and whether a sheet lays out a lane of theirs.
SELECT g.read_group_id, bool_or(l.run_id IS NOT NULL) AS laid_out
FROM read_groups AS g LEFT JOIN lane_layouts AS l ON l.run_id = g.run_id AND l.lane = g.lane
WHERE g.sample_id = $sample
GROUP BY g.read_group_id
