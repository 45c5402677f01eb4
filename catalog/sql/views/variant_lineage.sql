-- Each genotype with the file that holds it, the job that called it and all that this rests on: a line for each file
-- that was imported and for each lane of a run folder.
CREATE OR REPLACE VIEW variant_lineage AS
SELECT
    g.reference, g.sample_id, g.variant_id, g.contig, g.start,
    regexp_replace(g.filename, '^encrypted://', '') AS data_file, l.job_id, l.operation, l.tool, l.version,
    l.parameters, l.device, l.node, l.started, l.finished, s.* EXCLUDE (job_id, reference, sample_id)
FROM genotypes AS g
LEFT JOIN (
    SELECT o.job_id AS writer_id, l.* FROM job_origins AS o JOIN lineage AS l ON l.job_id = o.origin_id
) AS l
    -- A file that was written anew may hold what several jobs had made, of several samples.
    ON l.writer_id = job_of_file(g.filename) AND coalesce(l.parameters['sample'], g.sample_id) = g.sample_id
LEFT JOIN job_sources AS s ON s.job_id = l.job_id AND s.sample_id = g.sample_id AND s.reference = g.reference
