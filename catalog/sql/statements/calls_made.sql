-- Earlier calls of a sample, the latest first.
SELECT parameters['region'] AS region, parameters['model'] AS model, parameters['alignments'] AS alignments
FROM lineage
WHERE operation = 'call' AND parameters['sample'] = $sample AND parameters['reference'] = $reference
ORDER BY finished DESC, job_id DESC
