-- Members of a cohort that were genotyped with it and have been called or imported since that was begun.
SELECT DISTINCT m.sample_id
FROM joint_members AS m JOIN lineage AS j ON j.job_id = m.job_id
WHERE m.cohort = $cohort AND m.reference = $reference AND (
    EXISTS (
        FROM lineage AS l
        WHERE l.operation = 'call' AND l.parameters['sample'] = m.sample_id AND l.finished > j.started
    )
    OR EXISTS (
        FROM source_files AS f JOIN lineage AS l ON l.job_id = f.job_id
        WHERE f.format IN ('vcf', 'bcf') AND list_contains(f.sample_ids, m.sample_id) AND l.finished > j.started
    )
)
