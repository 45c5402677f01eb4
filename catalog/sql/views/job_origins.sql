-- Which jobs made the rows that a job wrote: the job itself, or where it only wrote rows of other files anew, those
-- that had made these, through however many such jobs.
CREATE OR REPLACE VIEW job_origins AS
WITH RECURSIVE
rewrites AS (
    SELECT job_id, job_of_file(path) AS origin_id
    FROM (SELECT job_id, unnest(inputs) AS path FROM lineage WHERE operation IN ('compact', 'erase'))
    WHERE job_of_file(path) IS NOT NULL
),
reached AS (
    FROM rewrites
    UNION
    SELECT f.job_id, r.origin_id FROM reached AS f JOIN rewrites AS r ON r.job_id = f.origin_id
)
SELECT job_id, job_id AS origin_id FROM lineage WHERE operation NOT IN ('compact', 'erase')
UNION ALL
FROM reached ANTI JOIN (SELECT DISTINCT job_id AS origin_id FROM rewrites) USING (origin_id)
