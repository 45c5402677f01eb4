-- Snapshots that were followed by another one before $before: what the lake was at any time since is shown by others.
SELECT id FROM (
    SELECT snapshot_id AS id, lead(snapshot_time) OVER (ORDER BY snapshot_id) AS followed FROM lake.snapshots()
)
WHERE followed < $before
ORDER BY id
