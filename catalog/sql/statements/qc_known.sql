-- What the quality control in the lake was made of.
SELECT l.parameters['made_of'] AS made_of, l.parameters['model'] AS model
FROM lineage AS l
WHERE l.job_id = (SELECT max(job_id) FROM sample_qc WHERE reference = $reference AND sample_id = $sample)
