SELECT
    r.run_id, r.platform, r.instrument, r.flowcell, r.state, count(f.source_id) AS files,
    CAST(sum(f.bytes) AS BIGINT) AS bytes, CAST(sum(f.records) AS BIGINT) AS records,
    list_sort(list_distinct(flatten(list(f.sample_ids)))) AS samples
FROM runs AS r LEFT JOIN source_files AS f USING (run_id)
GROUP BY ALL
ORDER BY r.run_id
