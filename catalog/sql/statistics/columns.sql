-- Statistics of the columns of tables that never had a row, to which DuckLake adds when the first one comes.
INSERT INTO __ducklake_metadata_lake.ducklake_table_column_stats BY NAME
SELECT
    c.table_id,
    c.column_id,
    false AS contains_null,
    CASE WHEN c.column_type IN ('float32', 'float64') THEN false END AS contains_nan
FROM __ducklake_metadata_lake.ducklake_column AS c
WHERE
    c.end_snapshot IS NULL
    AND c.table_id IN (SELECT table_id FROM __ducklake_metadata_lake.ducklake_table WHERE end_snapshot IS NULL)
    AND c.table_id NOT IN (SELECT table_id FROM __ducklake_metadata_lake.ducklake_table_stats)
    -- Of a list or a structure, what it is made of has statistics.
    AND (c.table_id, c.column_id) NOT IN (
        SELECT (table_id, parent_column) FROM __ducklake_metadata_lake.ducklake_column WHERE parent_column IS NOT NULL
    )
