-- Statistics of tables that never had a row. DuckLake makes them with the first one, and until then asks its database
-- for them again at every column of every query.
INSERT INTO __ducklake_metadata_lake.ducklake_table_stats BY NAME
SELECT table_id, 0 AS record_count, 0 AS next_row_id, 0 AS file_size_bytes
FROM __ducklake_metadata_lake.ducklake_table
WHERE end_snapshot IS NULL AND table_id NOT IN (SELECT table_id FROM __ducklake_metadata_lake.ducklake_table_stats)
