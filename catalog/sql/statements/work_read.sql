-- Bytes that stages read so far, by where they lay.
SELECT
    CAST(coalesce(sum(bytes_near), 0) AS BIGINT) AS near, CAST(coalesce(sum(bytes_far), 0) AS BIGINT) AS far
FROM lineage WHERE operation IN ('align', 'call', 'qc')
