-- Reads of a sample that belong to a read group by their index: those of run folders.
SELECT read_group_id, count(*) AS reads, coalesce(bool_or(segment = 2), false) AS paired
FROM reads
WHERE run_id IN (
        SELECT g.run_id FROM read_groups AS g JOIN lane_layouts AS l USING (run_id, lane) WHERE g.sample_id = $sample
    )
    AND read_group_id IN (SELECT read_group_id FROM read_groups WHERE sample_id = $sample)
GROUP BY read_group_id
