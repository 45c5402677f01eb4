-- Where each chosen sample's calls come from: imported files, or NULL for calls that were made here.
SELECT g.sample_id, g.source_id, count(*) AS rows
FROM genotypes AS g JOIN chosen_samples AS n USING (sample_id)
WHERE g.reference = $reference AND ($contig IS NULL OR g.contig = $contig)
GROUP BY ALL
