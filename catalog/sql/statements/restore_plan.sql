-- Files, each with what was deleted of it, that only one of the snapshots $then and $now has. Told by path: a file that
-- was restored before has another number. `partial`: a merged file, or one's deletions, of which $then shows a part.
WITH
tables AS (
    SELECT t.table_id, t.table_name, s.path || t.path AS folder
    FROM __ducklake_metadata_lake.ducklake_table AS t
    JOIN __ducklake_metadata_lake.ducklake_schema AS s USING (schema_id)
    WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL AND NOT list_contains($excepted, t.table_name)
),
moments AS (SELECT unnest([$then, $now]) AS snapshot),
held AS (
    SELECT
        m.snapshot, t.table_id, t.table_name, f.data_file_id, d.delete_file_id, f.record_count, f.path AS data_path,
        CAST(f.path_is_relative AS BOOLEAN) AS data_relative, d.path AS deletes_path,
        CAST(d.path_is_relative AS BOOLEAN) AS deletes_relative, t.folder,
        coalesce(greatest(f.partial_max, d.partial_max) > m.snapshot, false) AS partial
    FROM moments AS m
    JOIN __ducklake_metadata_lake.ducklake_data_file AS f
        ON f.begin_snapshot <= m.snapshot AND (f.end_snapshot IS NULL OR f.end_snapshot > m.snapshot)
    JOIN tables AS t ON t.table_id = f.table_id
    LEFT JOIN __ducklake_metadata_lake.ducklake_delete_file AS d
        ON d.data_file_id = f.data_file_id
        AND d.begin_snapshot <= m.snapshot AND (d.end_snapshot IS NULL OR d.end_snapshot > m.snapshot)
)
SELECT * EXCLUDE (data_relative, deletes_relative),
    CASE WHEN data_relative THEN $data || folder || data_path ELSE data_path END AS location,
    CASE WHEN deletes_relative THEN $data || folder || deletes_path ELSE deletes_path END AS deletes_location
FROM held
WINDOW same AS (PARTITION BY table_id, data_path, deletes_path, partial)
QUALIFY min(snapshot) OVER same = max(snapshot) OVER same
ORDER BY table_id, data_file_id
