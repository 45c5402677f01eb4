-- Files that no snapshot holds any more, and since when. $data is the hot tier.
SELECT
    path, split_part(path, '/', -1) AS name,
    CASE WHEN path_is_relative THEN $data || path ELSE regexp_replace(path, '^(cold:|encrypted://)', '') END AS location,
    CAST(schedule_start AS TIMESTAMPTZ) AS since
FROM __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion
ORDER BY path
