-- Reads of read groups that their reads name, and whether any is the second of its template. The caller puts in the
-- groups: a list of values, unlike a join, lets DuckLake leave out the files of other samples and runs.
SELECT read_group_id, count(*) AS reads, coalesce(bool_or(segment = 2), false) AS paired
FROM read_records
WHERE read_group_id IN ({groups})
GROUP BY read_group_id
