-- Headers of the files that a sample's alignments on an assembly were imported from, in the order of import.
SELECT DISTINCT f.header, f.sample_ids, f.job_id, f.path
FROM source_files AS f JOIN lineage AS l USING (job_id)
WHERE list_contains(f.sample_ids, $sample) AND l.operation = 'ingest'
    AND l.parameters['reference'] = $reference AND f.header IS NOT NULL
    AND f.format IN ('sam', 'bam', 'cram')
ORDER BY f.job_id, f.path
