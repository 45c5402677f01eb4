-- What each snapshot brought, the newest last: by which job, which tables changed, files and rows that came.
WITH
changed AS (
    SELECT
        snapshot_id, commit_message, commit_extra_info,
        unnest(list_distinct(regexp_extract_all(changes_made, ':(\d+)', 1))) AS table_id
    FROM __ducklake_metadata_lake.ducklake_snapshot_changes
),
tables AS (
    SELECT
        table_id,
        CASE max_by(table_name, begin_snapshot)
            WHEN 'stored_reads' THEN 'read_records'
            WHEN 'stored_alignments' THEN 'alignments'
            ELSE max_by(table_name, begin_snapshot)
        END AS table_name
    FROM __ducklake_metadata_lake.ducklake_table GROUP BY table_id
),
named_tables AS (
    SELECT c.snapshot_id, list(t.table_name ORDER BY t.table_name) AS changed
    FROM changed AS c JOIN tables AS t ON t.table_id = CAST(c.table_id AS BIGINT) GROUP BY c.snapshot_id
),
added AS (
    SELECT begin_snapshot AS snapshot_id, count(*) AS files, CAST(sum(record_count) AS BIGINT) AS rows
    FROM __ducklake_metadata_lake.ducklake_data_file GROUP BY begin_snapshot
),
names AS (
    SELECT snapshot_id, list(name ORDER BY name) AS names
    FROM __ducklake_metadata_lake.baselake_snapshot_names GROUP BY snapshot_id
)
SELECT
    s.snapshot_id AS snapshot, CAST(s.snapshot_time AS TIMESTAMPTZ) AS time, n.names, c.commit_message AS operation,
    nullif(regexp_extract(c.commit_extra_info, '"job":"([^"]+)"', 1), '') AS job_id, t.changed, coalesce(a.files, 0) AS files_added, coalesce(a.rows, 0) AS rows_added
FROM __ducklake_metadata_lake.ducklake_snapshot AS s
LEFT JOIN __ducklake_metadata_lake.ducklake_snapshot_changes AS c USING (snapshot_id)
LEFT JOIN named_tables AS t USING (snapshot_id)
LEFT JOIN added AS a USING (snapshot_id)
LEFT JOIN names AS n USING (snapshot_id)
ORDER BY s.snapshot_id
