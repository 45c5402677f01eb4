-- By contig, bases between a sample's calls whose reference is known, and those of them that are sure to be its.
SELECT
    contig,
    CAST(coalesce(sum("end" - start) FILTER (gap IS DISTINCT FROM 'unknown_reference'), 0) AS BIGINT) AS known,
    CAST(coalesce(sum("end" - start) FILTER (gap IS NULL AND gq >= $gq), 0) AS BIGINT) AS sure
FROM reference_blocks
WHERE reference = $reference AND sample_id = $sample
GROUP BY contig
