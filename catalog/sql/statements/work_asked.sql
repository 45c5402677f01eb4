-- What jobs since a row of `lineage` touched, in the order of their commits: reads that came or were assigned anew, and
-- stages that were done for a whole assembly.
WITH
new AS (SELECT rowid AS version, job_id, operation, parameters FROM lineage WHERE rowid > $seen),
arrived AS (
    SELECT n.version, unnest(f.sample_ids) AS sample_id
    FROM new AS n JOIN source_files AS f ON f.job_id = n.job_id
    WHERE coalesce(f.format, '') NOT IN ('vcf', 'bcf') -- whose samples come called
    UNION
    SELECT n.version, g.sample_id
    FROM new AS n JOIN run_tiles AS t ON t.job_id = n.job_id JOIN read_groups AS g USING (run_id, lane)
    UNION
    SELECT n.version, g.sample_id
    FROM new AS n JOIN sample_sheets AS s ON s.job_id = n.job_id JOIN read_groups AS g USING (run_id)
)
SELECT version, 'ingest' AS operation, sample_id FROM arrived WHERE sample_id IS NOT NULL
UNION ALL
SELECT version, operation, parameters['sample'] AS sample_id FROM new
WHERE operation IN ('align', 'call', 'qc') AND parameters['reference'] = $reference AND parameters['region'] IS NULL
ORDER BY version, sample_id
