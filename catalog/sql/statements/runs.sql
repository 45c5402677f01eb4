WITH
files AS (
    SELECT
        run_id, count(*) AS files, CAST(sum(bytes) AS BIGINT) AS bytes, CAST(sum(records) AS BIGINT) AS records,
        list_distinct(flatten(list(sample_ids))) AS samples
    FROM source_files GROUP BY run_id
),
tiles AS (
    SELECT run_id, count(*) AS tiles, CAST(sum(clusters_pf) AS BIGINT) AS clusters_pf FROM run_tiles GROUP BY run_id
),
assigned AS (
    SELECT run_id, list(DISTINCT sample_id) FILTER (sample_id IS NOT NULL) AS samples
    FROM read_groups GROUP BY run_id
)
SELECT
    r.run_id, r.platform, r.instrument, r.flowcell, r.state, r.cycles, r.cycles_expected, coalesce(t.tiles, 0) AS tiles,
    t.clusters_pf, coalesce(f.files, 0) AS files, coalesce(r.bytes, f.bytes) AS bytes, f.records,
    list_sort(list_distinct(list_concat(coalesce(f.samples, []), coalesce(a.samples, [])))) AS samples, r.error
FROM runs AS r
LEFT JOIN files AS f USING (run_id)
LEFT JOIN tiles AS t USING (run_id)
LEFT JOIN assigned AS a USING (run_id)
ORDER BY r.run_id
