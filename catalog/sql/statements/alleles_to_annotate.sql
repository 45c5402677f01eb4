-- Alleles of a contig that a release of gene models has not been asked about.
SELECT variant_id, start, ref, alt
FROM variants AS v
WHERE reference = $reference AND contig = $contig
    AND NOT EXISTS (
        FROM consequences AS c
        WHERE c.reference = $reference AND c.contig = $contig AND c.release_id = $release AND c.start = v.start
            AND c.variant_id = v.variant_id
    )
ORDER BY start, variant_id
