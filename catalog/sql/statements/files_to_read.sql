-- Files of a table, at the snapshot that is looked at, but for those whose least and greatest values say that one of the
-- conditions ($columns[i] $operators[i] $values[i]) is met by none of their rows.
WITH
snapshot AS (SELECT id FROM lake.current_snapshot()),
tables AS (
    SELECT table_id FROM __ducklake_metadata_lake.ducklake_table, snapshot
    WHERE table_name = $table AND begin_snapshot <= id AND (end_snapshot IS NULL OR end_snapshot > id)
),
files AS (
    SELECT f.table_id, f.data_file_id, f.file_size_bytes
    FROM __ducklake_metadata_lake.ducklake_data_file AS f JOIN tables USING (table_id), snapshot
    WHERE f.begin_snapshot <= id AND (f.end_snapshot IS NULL OR f.end_snapshot > id)
),
conditions AS (
    SELECT
        unnest($columns::VARCHAR[]) AS name, unnest($operators::VARCHAR[]) AS operator, unnest($values::VARCHAR[]) AS value
),
ruled_out AS (
    SELECT DISTINCT f.data_file_id
    FROM conditions AS c
    JOIN __ducklake_metadata_lake.ducklake_column AS k
        ON k.column_name = c.name AND k.table_id IN (FROM tables) AND k.parent_column IS NULL
    JOIN __ducklake_metadata_lake.ducklake_file_column_stats AS s USING (table_id, column_id)
    JOIN files AS f USING (table_id, data_file_id)
    WHERE CASE
        WHEN k.column_type = 'varchar' THEN
            (c.operator IN ('=', '<', '<=') AND s.min_value > c.value)
            OR (c.operator IN ('=', '>', '>=') AND s.max_value < c.value)
        ELSE
            (c.operator IN ('=', '<', '<=') AND try_cast(s.min_value AS DOUBLE) > try_cast(c.value AS DOUBLE))
            OR (c.operator IN ('=', '>', '>=') AND try_cast(s.max_value AS DOUBLE) < try_cast(c.value AS DOUBLE))
            OR (c.operator = '<' AND try_cast(s.min_value AS DOUBLE) = try_cast(c.value AS DOUBLE))
            OR (c.operator = '>' AND try_cast(s.max_value AS DOUBLE) = try_cast(c.value AS DOUBLE))
    END
)
SELECT data_file_id AS file_id, file_size_bytes AS bytes FROM files
WHERE data_file_id NOT IN (FROM ruled_out)
