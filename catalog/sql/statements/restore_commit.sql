-- The restoration itself, from the tables of restore_prepare.sql, as one transaction on DuckLake's tables.
UPDATE __ducklake_metadata_lake.ducklake_data_file SET end_snapshot = r.snapshot
FROM removed AS r WHERE ducklake_data_file.data_file_id = r.data_file_id;
UPDATE __ducklake_metadata_lake.ducklake_delete_file SET end_snapshot = r.snapshot
FROM removed AS r WHERE ducklake_delete_file.delete_file_id = r.delete_file_id;
INSERT INTO __ducklake_metadata_lake.ducklake_data_file BY NAME SELECT * FROM restored_data;
INSERT INTO __ducklake_metadata_lake.ducklake_delete_file BY NAME SELECT * FROM restored_deletes;
INSERT INTO __ducklake_metadata_lake.ducklake_delete_file BY NAME SELECT * FROM written_deletes;
INSERT INTO __ducklake_metadata_lake.ducklake_file_column_stats BY NAME SELECT * FROM restored_statistics;
INSERT INTO __ducklake_metadata_lake.ducklake_file_variant_stats BY NAME SELECT * FROM restored_variant_statistics;
INSERT INTO __ducklake_metadata_lake.ducklake_file_partition_value BY NAME SELECT * FROM restored_partitions;
UPDATE __ducklake_metadata_lake.ducklake_table_stats
SET record_count = t.record_count, file_size_bytes = t.file_size_bytes
FROM restored_totals AS t WHERE ducklake_table_stats.table_id = t.table_id;
INSERT INTO __ducklake_metadata_lake.ducklake_snapshot BY NAME SELECT * FROM restored_snapshot;
INSERT INTO __ducklake_metadata_lake.ducklake_snapshot_changes BY NAME SELECT * FROM restored_changes;
-- What samples wait for is derived anew from the lineage that is there now; who is at work loses his lease.
DELETE FROM __ducklake_metadata_lake.baselake_work;
DELETE FROM __ducklake_metadata_lake.baselake_work_seen
