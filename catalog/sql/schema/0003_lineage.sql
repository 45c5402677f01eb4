-- Release 0.3: a job that aligns names the files it read. Those of earlier releases get the files that their sample had.
UPDATE lineage SET inputs = list_concat(lineage.inputs, r.files)
FROM (
    SELECT a.job_id, list(DISTINCT parse_filename(o.path) ORDER BY parse_filename(o.path)) AS files
    FROM lineage AS a
    JOIN (
        SELECT DISTINCT job_id, unnest(sample_ids) AS sample_id FROM source_files
        UNION
        SELECT t.job_id, g.sample_id FROM run_tiles AS t JOIN read_groups AS g USING (run_id, lane)
    ) AS i ON i.sample_id = a.parameters['sample']
    JOIN lineage AS l ON l.job_id = i.job_id AND l.finished <= a.started, unnest(l.outputs) AS o(path)
    WHERE a.operation = 'align' AND contains(o.path, '/read_records/')
    GROUP BY a.job_id
) AS r
WHERE lineage.job_id = r.job_id
