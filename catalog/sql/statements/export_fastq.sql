-- Reads of some read groups in the order they are stored: the segments of a template stand together. No join and no
-- ORDER BY, either of which could part them.
SELECT name, comment, segment, seq, qual
FROM read_records
WHERE list_contains($groups, read_group_id)
