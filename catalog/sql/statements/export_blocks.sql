-- Reference blocks of a sample in the order of its contigs, cut to a region.
SELECT
    b.contig, greatest(b.start, coalesce($start, 0)) AS start, least(b."end", coalesce($end, b."end")) AS "end", b.ploidy,
    b.gap, b.gq, b.dp, b.min_dp
FROM reference_blocks AS b JOIN contigs AS c USING (reference, contig)
WHERE b.reference = $reference AND b.sample_id = $sample
    AND ($contig IS NULL OR (b.contig = $contig AND b.start < $end AND b."end" > $start))
ORDER BY c.ordinal, b.start
