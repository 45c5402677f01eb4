-- The rows that a restoration adds to DuckLake's tables: copies of those of the old files under new numbers. `added`
-- has one row for each file: old and new numbers, and a deletion file of our own where a merged file is shown in part.
CREATE OR REPLACE TEMP TABLE restored_data AS
SELECT
    f.* REPLACE (
        a.new_file_id AS data_file_id, a.snapshot AS begin_snapshot, CAST(NULL AS BIGINT) AS end_snapshot,
        CAST(NULL AS BIGINT) AS partial_max
    )
FROM added AS a JOIN __ducklake_metadata_lake.ducklake_data_file AS f USING (data_file_id);

CREATE OR REPLACE TEMP TABLE restored_deletes AS
SELECT
    d.* REPLACE (
        a.new_deletes_id AS delete_file_id, a.new_file_id AS data_file_id, a.snapshot AS begin_snapshot,
        CAST(NULL AS BIGINT) AS end_snapshot, CAST(NULL AS BIGINT) AS partial_max
    )
FROM added AS a JOIN __ducklake_metadata_lake.ducklake_delete_file AS d USING (delete_file_id)
WHERE NOT a.partial;

CREATE OR REPLACE TEMP TABLE written_deletes AS
SELECT
    new_deletes_id AS delete_file_id, table_id, snapshot AS begin_snapshot, new_file_id AS data_file_id,
    written_path AS path, true AS path_is_relative, 'parquet' AS format, written_rows AS delete_count,
    written_bytes AS file_size_bytes, written_footer AS footer_size
FROM added WHERE written_path IS NOT NULL;

CREATE OR REPLACE TEMP TABLE restored_statistics AS
SELECT s.* REPLACE (a.new_file_id AS data_file_id)
FROM added AS a JOIN __ducklake_metadata_lake.ducklake_file_column_stats AS s USING (data_file_id);

CREATE OR REPLACE TEMP TABLE restored_variant_statistics AS
SELECT s.* REPLACE (a.new_file_id AS data_file_id)
FROM added AS a JOIN __ducklake_metadata_lake.ducklake_file_variant_stats AS s USING (data_file_id);

CREATE OR REPLACE TEMP TABLE restored_partitions AS
SELECT p.* REPLACE (a.new_file_id AS data_file_id)
FROM added AS a JOIN __ducklake_metadata_lake.ducklake_file_partition_value AS p USING (data_file_id);

-- What the tables hold afterwards; their rows' next number and the bounds of their columns only ever grow.
CREATE OR REPLACE TEMP TABLE restored_totals AS
SELECT
    table_id, CAST(sum(record_count) AS BIGINT) AS record_count, CAST(sum(file_size_bytes) AS BIGINT) AS file_size_bytes
FROM (
    SELECT table_id, record_count, file_size_bytes FROM __ducklake_metadata_lake.ducklake_data_file
    WHERE end_snapshot IS NULL AND data_file_id NOT IN (SELECT data_file_id FROM removed)
    UNION ALL
    SELECT table_id, record_count, file_size_bytes FROM restored_data
    UNION ALL
    SELECT table_id, 0, 0 FROM __ducklake_metadata_lake.ducklake_table_stats
)
WHERE table_id IN (SELECT table_id FROM removed UNION SELECT table_id FROM added)
GROUP BY table_id;

CREATE OR REPLACE TEMP TABLE restored_snapshot AS
SELECT
    s.* REPLACE (
        n.new_snapshot AS snapshot_id, now() AS snapshot_time,
        s.next_file_id + (SELECT count(new_file_id) + count(new_deletes_id) FROM added) AS next_file_id
    )
FROM __ducklake_metadata_lake.ducklake_snapshot AS s JOIN restoration AS n ON s.snapshot_id = n.new_snapshot - 1;

CREATE OR REPLACE TEMP TABLE restored_changes AS
SELECT
    n.new_snapshot AS snapshot_id, n.who AS author, n.message AS commit_message, n.entry AS commit_extra_info,
    (
        SELECT string_agg(change, ',' ORDER BY change) FROM (
            SELECT DISTINCT 'inserted_into_table:' || table_id AS change FROM added
            UNION ALL
            SELECT DISTINCT 'deleted_from_table:' || table_id FROM removed
        )
    ) AS changes_made
FROM restoration AS n
