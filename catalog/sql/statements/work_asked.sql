-- What jobs since a row of `lineage` touched, in the order of their commits: reads that came or were assigned anew,
-- stages that were done for a whole assembly, and alleles that came, where the assembly has gene models, or gene models
-- themselves. Alleles are those of all samples ('*').
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
UNION ALL
SELECT n.version, 'variants', '*'
FROM new AS n
WHERE (
        (n.operation IN ('call', 'annotate genes') AND n.parameters['reference'] = $reference)
        OR (
            n.operation = 'ingest' AND coalesce(n.parameters['reference'], $reference) = $reference
            AND EXISTS (FROM source_files AS f WHERE f.job_id = n.job_id AND f.format IN ('vcf', 'bcf'))
        )
    )
    AND EXISTS (FROM annotation_releases AS r WHERE r.source = 'genes' AND r.reference = $reference)
UNION ALL
SELECT version, 'annotate', '*' FROM new
WHERE operation = 'annotate variants' AND parameters['reference'] = $reference
ORDER BY version, sample_id
