-- Members of a cohort that were genotyped with it and have been called or imported since.
SELECT DISTINCT m.sample_id
FROM joint_members AS m
WHERE m.cohort = $cohort AND m.reference = $reference AND (
    EXISTS (
        FROM lineage AS l
        WHERE l.operation = 'call' AND l.parameters['sample'] = m.sample_id AND l.job_id > m.job_id
    )
    OR EXISTS (
        FROM source_files AS f
        WHERE f.format IN ('vcf', 'bcf') AND list_contains(f.sample_ids, m.sample_id) AND f.job_id > m.job_id
    )
)
