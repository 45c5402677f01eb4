-- How many files each table has at the snapshot that is looked at.
SELECT t.table_name AS "table", count(*) AS files
FROM __ducklake_metadata_lake.ducklake_data_file AS f
JOIN __ducklake_metadata_lake.ducklake_table AS t USING (table_id), lake.current_snapshot() AS s
WHERE f.begin_snapshot <= s.id AND (f.end_snapshot IS NULL OR f.end_snapshot > s.id)
    AND t.begin_snapshot <= s.id AND (t.end_snapshot IS NULL OR t.end_snapshot > s.id)
GROUP BY t.table_name
