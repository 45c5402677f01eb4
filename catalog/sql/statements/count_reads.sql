-- Reads of each read group of a sample, and whether any is the second of its template. IN, unlike a join, lets
-- DuckLake leave out the files of other samples and runs.
SELECT read_group_id, count(*) AS reads, coalesce(bool_or(segment = 2), false) AS paired
FROM read_records
WHERE read_group_id IN (SELECT read_group_id FROM read_groups WHERE sample_id = $sample)
GROUP BY read_group_id
UNION ALL
-- Reads of run folders, which belong to a read group by their index.
SELECT read_group_id, count(*) AS reads, coalesce(bool_or(segment = 2), false) AS paired
FROM reads
WHERE run_id IN (
        SELECT g.run_id FROM read_groups AS g JOIN lane_layouts AS l USING (run_id, lane) WHERE g.sample_id = $sample
    )
    AND read_group_id IN (SELECT read_group_id FROM read_groups WHERE sample_id = $sample)
GROUP BY read_group_id
