-- Rows of files of several samples in the order of a shared file: by stretch of the contig, of about as many rows each,
-- then by block of samples, neighbours by name; within, by site and sample. tile_of_file numbers the tiles.
WITH
names AS (
    SELECT sample_id, row_number() OVER (ORDER BY sample_id) - 1 AS rank
    FROM (SELECT DISTINCT sample_id FROM {table} WHERE {where})
),
cuts AS (
    SELECT list_sort(list_distinct(quantile_disc(start, [i / {stretches} FOR i IN range(1, {stretches})]))) AS starts
    FROM {table} WHERE {where}
),
placed AS (
    SELECT
        g.*, g.rowid AS number, n.rank, n.rank // {per_block} AS block,
        CASE WHEN {stretches} = 1 THEN 0 ELSE len(list_filter(c.starts, lambda s: s <= g.start)) END AS stretch
    FROM {table} AS g JOIN names AS n USING (sample_id), cuts AS c
    WHERE {where}
)
SELECT * EXCLUDE (number, rank, block, stretch), stretch * 65536 + block AS tile_of_file
FROM placed
ORDER BY stretch, block, start, rank, number
