-- Rows of DuckLake's metadata for files that were erased or written again, of which catalog/erase/metadata.py gives the
-- tables named here without a schema.
DELETE FROM __ducklake_metadata_lake.ducklake_data_file WHERE data_file_id IN (SELECT file_id FROM gone_files);
DELETE FROM __ducklake_metadata_lake.ducklake_delete_file WHERE delete_file_id IN (SELECT file_id FROM gone_deletes);
DELETE FROM __ducklake_metadata_lake.ducklake_file_column_stats WHERE data_file_id IN (SELECT file_id FROM gone_files);
DELETE FROM __ducklake_metadata_lake.ducklake_file_variant_stats WHERE data_file_id IN (SELECT file_id FROM gone_files);
DELETE FROM __ducklake_metadata_lake.ducklake_file_partition_value WHERE data_file_id IN (SELECT file_id FROM gone_files);
DELETE FROM __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion
WHERE data_file_id IN (SELECT file_id FROM gone_loose);

UPDATE __ducklake_metadata_lake.ducklake_data_file
SET path = n.path, path_is_relative = true, record_count = n.rows, file_size_bytes = n.bytes, footer_size = n.footer,
    mapping_id = NULL
FROM new_files AS n WHERE data_file_id = n.file_id;

UPDATE __ducklake_metadata_lake.ducklake_delete_file
SET path = n.path, path_is_relative = true, delete_count = n.rows, file_size_bytes = n.bytes, footer_size = n.footer
FROM new_deletes AS n WHERE delete_file_id = n.file_id;

UPDATE __ducklake_metadata_lake.ducklake_file_column_stats AS s
SET column_size_bytes = n.bytes, value_count = n.values, null_count = n.nulls,
    min_value = CASE WHEN n.bounded THEN n.least ELSE s.min_value END,
    max_value = CASE WHEN n.bounded THEN n.greatest ELSE s.max_value END
FROM new_statistics AS n WHERE s.data_file_id = n.file_id AND s.column_id = n.column_id;

UPDATE __ducklake_metadata_lake.ducklake_table_stats AS t
SET record_count = t.record_count - l.rows, file_size_bytes = t.file_size_bytes - l.bytes
FROM less AS l WHERE t.table_id = l.table_id;

-- The bounds of a whole table: of text and integers they are taken from its files anew, of all else the old ones hold.
UPDATE __ducklake_metadata_lake.ducklake_table_column_stats AS t
SET min_value = b.least, max_value = b.greatest
FROM (
    SELECT
        s.table_id, s.column_id,
        CASE
            WHEN NOT bool_and(s.min_value IS NOT NULL OR s.value_count = 0) THEN NULL
            WHEN c.is_text THEN min(s.min_value)
            ELSE CAST(min(TRY_CAST(s.min_value AS HUGEINT)) AS VARCHAR)
        END AS least,
        CASE
            WHEN NOT bool_and(s.max_value IS NOT NULL OR s.value_count = 0) THEN NULL
            WHEN c.is_text THEN max(s.max_value)
            ELSE CAST(max(TRY_CAST(s.max_value AS HUGEINT)) AS VARCHAR)
        END AS greatest
    FROM __ducklake_metadata_lake.ducklake_file_column_stats AS s
    JOIN (
        SELECT DISTINCT table_id, column_id, column_type = 'varchar' AS is_text
        FROM __ducklake_metadata_lake.ducklake_column
        WHERE column_type = 'varchar' OR regexp_full_match(column_type, 'u?int\d+')
    ) AS c ON c.table_id = s.table_id AND c.column_id = s.column_id
    WHERE s.table_id IN (SELECT table_id FROM less)
    GROUP BY s.table_id, s.column_id, c.is_text
) AS b
WHERE t.table_id = b.table_id AND t.column_id = b.column_id;

UPDATE __ducklake_metadata_lake.ducklake_table_column_stats AS t
SET min_value = NULL, max_value = NULL
WHERE t.table_id IN (SELECT table_id FROM less)
    AND t.table_id NOT IN (SELECT table_id FROM __ducklake_metadata_lake.ducklake_data_file);

DELETE FROM __ducklake_metadata_lake.baselake_files WHERE name IN (SELECT name FROM old_names);
INSERT INTO __ducklake_metadata_lake.baselake_files BY NAME SELECT * FROM new_names;
