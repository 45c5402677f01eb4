-- The imported files that hold reads of a sample.
SELECT path, format, records, source_id AS sha256, job_id
FROM source_files
WHERE list_contains(sample_ids, $sample)
ORDER BY path, source_id
