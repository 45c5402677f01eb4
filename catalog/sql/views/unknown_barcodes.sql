-- Index sequences that belong to no sample, and how many clusters that passed the filter have them.
CREATE OR REPLACE VIEW unknown_barcodes AS
SELECT c.run_id, c.lane, c.index1_seq, c.index2_seq, CAST(sum(c.clusters_pf) AS BIGINT) AS clusters
FROM barcode_counts AS c ANTI JOIN barcode_assignments AS a USING (run_id, lane, index1_seq, index2_seq)
GROUP BY ALL
