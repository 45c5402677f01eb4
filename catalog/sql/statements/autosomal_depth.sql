-- The median depth of a sample's autosomes, of stretches of 16,384 bases where there are any reads: mapped, primary, passing
-- and no duplicates (FLAG without 0xf04).
SELECT median(bases / 16384) AS depth
FROM (
    SELECT sum("end" - start) AS bases
    FROM stored_alignments
    WHERE reference = $reference AND sample_id = $sample AND list_contains($autosomes, contig)
        AND flag & 3844 = 0 AND NOT coalesce(duplicate, false)
    GROUP BY contig, start // 16384
)
