-- What each job that called a sample rests on, a line for each file that was imported and for each lane of a run folder:
-- the alignments it read, the job that made them, the reads that job took, and where these came from. Calls that were
-- imported rest on their file.
CREATE OR REPLACE VIEW job_sources AS
WITH
called_from AS NOT MATERIALIZED (
    SELECT job_id, parameters['reference'] AS reference, parameters['sample'] AS sample_id, unnest(inputs) AS path
    FROM lineage WHERE operation = 'call'
),
aligned AS NOT MATERIALIZED (
    SELECT
        c.job_id, c.reference, c.sample_id, o.origin_id AS alignment_job_id,
        list(DISTINCT c.path ORDER BY c.path) AS alignment_files
    FROM called_from AS c JOIN job_origins AS o ON o.job_id = job_of_file(c.path)
    GROUP BY ALL
),
alignment_jobs AS NOT MATERIALIZED (
    SELECT
        a.*, l.operation AS alignment_operation, l.tool AS alignment_tool, l.version AS alignment_version,
        l.parameters AS alignment_parameters, l.finished AS alignment_finished, l.inputs
    FROM aligned AS a
    JOIN lineage AS l ON l.job_id = a.alignment_job_id
        -- A file that was written anew may hold what several jobs had made, of several samples.
        AND (l.operation = 'ingest' OR l.parameters['sample'] = a.sample_id)
),
aligned_from AS NOT MATERIALIZED (
    SELECT job_id, sample_id, alignment_job_id, alignment_operation, unnest(inputs) AS path FROM alignment_jobs
),
imports AS NOT MATERIALIZED (
    SELECT DISTINCT a.job_id, a.sample_id, a.alignment_job_id, o.origin_id AS import_job_id
    FROM aligned_from AS a JOIN job_origins AS o ON o.job_id = job_of_file(a.path)
    UNION
    -- Alignments that came with a file were made by its import.
    SELECT job_id, sample_id, alignment_job_id, alignment_job_id FROM alignment_jobs
    WHERE alignment_operation = 'ingest'
),
sources AS NOT MATERIALIZED (
    SELECT
        i.job_id, i.sample_id, i.alignment_job_id, [i.import_job_id] AS import_job_ids, f.run_id,
        CAST(NULL AS SMALLINT) AS lane, CAST(NULL AS INTEGER[]) AS tiles, f.source_id, f.path AS source_path,
        f.format AS source_format, f.segment AS source_segment
    FROM imports AS i
    JOIN source_files AS f ON f.job_id = i.import_job_id AND list_contains(f.sample_ids, i.sample_id)
    UNION ALL
    SELECT
        i.job_id, i.sample_id, i.alignment_job_id, list(DISTINCT i.import_job_id ORDER BY i.import_job_id),
        l.parameters['run_id'], CAST(l.parameters['lane'] AS SMALLINT),
        list(DISTINCT CAST(l.parameters['tile'] AS INTEGER) ORDER BY CAST(l.parameters['tile'] AS INTEGER)), NULL, NULL,
        NULL, NULL
    FROM imports AS i JOIN lineage AS l ON l.job_id = i.import_job_id
    WHERE l.parameters['tile'] IS NOT NULL
    GROUP BY i.job_id, i.sample_id, i.alignment_job_id, l.parameters['run_id'], l.parameters['lane']
),
taken AS NOT MATERIALIZED (
    SELECT a.job_id, a.sample_id, a.alignment_job_id, g.read_group_id, g.run_id, g.lane
    FROM aligned_from AS a
    JOIN read_groups AS g ON a.path = 'read_group:' || g.read_group_id AND g.sample_id = a.sample_id
),
grouped AS NOT MATERIALIZED (
    -- A read group that is of several lanes, or a file of which that is not known, tells none.
    SELECT
        s.*,
        list(DISTINCT t.read_group_id ORDER BY t.read_group_id) FILTER (t.read_group_id IS NOT NULL) AS read_group_ids
    FROM sources AS s
    LEFT JOIN taken AS t
        ON t.job_id = s.job_id AND t.sample_id = s.sample_id AND t.alignment_job_id = s.alignment_job_id AND coalesce(t.run_id = s.run_id, true)
        AND coalesce(t.lane = s.lane, true)
    GROUP BY ALL
)
SELECT
    a.job_id, a.reference, a.sample_id, a.alignment_job_id, a.alignment_operation, a.alignment_tool,
    a.alignment_version, a.alignment_parameters, a.alignment_finished, a.alignment_files, s.read_group_ids,
    s.import_job_ids, s.run_id, r.folder AS run_folder, r.sample_sheet, s.lane, s.tiles, s.source_id, s.source_path,
    s.source_format, s.source_segment
FROM alignment_jobs AS a
JOIN grouped AS s ON s.job_id = a.job_id AND s.sample_id = a.sample_id AND s.alignment_job_id = a.alignment_job_id
LEFT JOIN runs AS r ON r.run_id = s.run_id
UNION ALL BY NAME
SELECT
    f.job_id, l.parameters['reference'] AS reference, f.sample_id, [f.job_id] AS import_job_ids, f.source_id,
    f.path AS source_path, f.format AS source_format
FROM (SELECT * EXCLUDE (sample_ids), unnest(sample_ids) AS sample_id FROM source_files WHERE format IN ('vcf', 'bcf')) AS f
JOIN lineage AS l ON l.job_id = f.job_id
