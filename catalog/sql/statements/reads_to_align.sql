-- Reads of each read group of a sample, the files that hold them and the jobs that brought them, which stay the same
-- where files are written anew. IN, unlike a join, lets DuckLake leave out the files of other samples and runs.
WITH
mine AS (SELECT read_group_id FROM read_groups WHERE sample_id = $sample),
of_file AS (
    SELECT read_group_id, filename, count(*) AS reads
    FROM stored_reads WHERE read_group_id IN (FROM mine) GROUP BY read_group_id, filename
),
of_file_jobs AS (
    SELECT f.read_group_id, list(DISTINCT o.origin_id ORDER BY o.origin_id) AS jobs
    FROM of_file AS f JOIN job_origins AS o ON o.job_id = job_of_file(f.filename) GROUP BY f.read_group_id
),
-- The tiles of run folders that have an index of the read group: of each the file that its import wrote.
of_tile AS (
    SELECT DISTINCT a.read_group_id, t.job_id
    FROM barcode_assignments AS a
    JOIN barcode_counts AS c USING (run_id, lane, index1_seq, index2_seq)
    JOIN run_tiles AS t ON t.run_id = c.run_id AND t.lane = c.lane AND t.tile = c.tile
    WHERE a.read_group_id IN (FROM mine) AND c.clusters > 0
),
of_tile_files AS (
    SELECT
        t.read_group_id, list(DISTINCT parse_filename(o.path) ORDER BY parse_filename(o.path)) AS files,
        list(DISTINCT t.job_id ORDER BY t.job_id) AS jobs
    FROM of_tile AS t JOIN lineage AS l ON l.job_id = t.job_id, unnest(l.outputs) AS o(path)
    WHERE contains(o.path, '/read_records/')
    GROUP BY t.read_group_id
)
SELECT
    f.read_group_id, CAST(sum(f.reads) AS BIGINT) AS reads,
    list(parse_filename(f.filename) ORDER BY parse_filename(f.filename)) AS files, any_value(j.jobs) AS jobs
FROM of_file AS f LEFT JOIN of_file_jobs AS j USING (read_group_id)
GROUP BY f.read_group_id
UNION ALL
-- Reads of run folders, which belong to a read group by their index.
SELECT r.read_group_id, count(*) AS reads, any_value(f.files) AS files, any_value(f.jobs) AS jobs
FROM reads AS r LEFT JOIN of_tile_files AS f USING (read_group_id)
WHERE r.run_id IN (
        SELECT g.run_id FROM read_groups AS g JOIN lane_layouts AS l USING (run_id, lane) WHERE g.sample_id = $sample
    )
    AND r.read_group_id IN (FROM mine)
GROUP BY r.read_group_id
