-- Reads of some read groups, and whether any is the second of its template.
SELECT count(*) AS reads, coalesce(bool_or(segment = 2), false) AS paired
FROM read_records
WHERE list_contains($groups, read_group_id)
