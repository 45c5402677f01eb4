-- Which data file each delete file is about.
SELECT delete_file_id AS file_id, data_file_id AS of FROM __ducklake_metadata_lake.ducklake_delete_file
