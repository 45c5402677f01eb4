-- Alleles of a cohort that begin in a stretch: how many were seen of each, and what was summed up of other members' rows.
SELECT
    f.start, f.variant_id, f.an, coalesce(s.an, 0) AS rows_an, coalesce(s.alleles, 0) AS alleles,
    coalesce(s.expected, 0) AS expected
FROM allele_frequency($cohort, place => $place) AS f
LEFT JOIN (
    SELECT variant_id, start, sum(j.an) AS an, sum(j.alleles) AS alleles, sum(j.expected) AS expected
    FROM joint_sums AS j
    WHERE j.cohort = $cohort AND j.reference = $reference AND j.contig = $contig AND NOT $anew
    GROUP BY variant_id, start
) AS s USING (variant_id, start)
WHERE f.reference = $reference AND f.start >= $start AND f.start < $end
ORDER BY f.start, f.variant_id
