-- What of snapshot $then this lake's tables could not show again: tables and columns dropped since, or of another type.
WITH
then_columns AS (
    SELECT t.table_id, t.table_name, c.column_id, c.column_name, c.column_type
    FROM __ducklake_metadata_lake.ducklake_table AS t
    JOIN __ducklake_metadata_lake.ducklake_column AS c USING (table_id)
    WHERE t.begin_snapshot <= $then AND (t.end_snapshot IS NULL OR t.end_snapshot > $then)
        AND c.begin_snapshot <= $then AND (c.end_snapshot IS NULL OR c.end_snapshot > $then)
),
now_columns AS (
    SELECT t.table_id, c.column_id, c.column_type
    FROM __ducklake_metadata_lake.ducklake_table AS t
    JOIN __ducklake_metadata_lake.ducklake_column AS c USING (table_id)
    WHERE t.end_snapshot IS NULL AND c.end_snapshot IS NULL
)
SELECT DISTINCT table_name || '.' || column_name AS lost
FROM then_columns ANTI JOIN now_columns USING (table_id, column_id, column_type)
ORDER BY lost
