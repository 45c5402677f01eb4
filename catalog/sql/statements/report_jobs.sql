-- Jobs, in the order in which they ended.
SELECT job_id, operation, tool, version, device, node, started, finished
FROM lineage
WHERE list_contains($jobs, job_id)
ORDER BY finished, job_id
