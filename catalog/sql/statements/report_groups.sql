-- The read groups of a sample, with the run each came from.
SELECT g.read_group_id, g.library, g.platform, g.run_id, g.lane, g.barcode, u.folder AS run_folder
FROM read_groups AS g LEFT JOIN runs AS u USING (run_id)
WHERE g.sample_id = $sample
ORDER BY g.run_id, g.lane, g.read_group_id
