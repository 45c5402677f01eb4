-- Samples whose runs are not whole yet, and the first such run of each.
SELECT g.sample_id, min_by(r.run_id, r.run_id) AS run_id, min_by(r.state, r.run_id) AS state
FROM read_groups AS g JOIN runs AS r USING (run_id)
WHERE r.state IN ('receiving', 'ingesting', 'quarantined') AND g.sample_id IS NOT NULL
GROUP BY g.sample_id
