-- A VCF data line for each allele of a cohort that begins in a stretch, samples in the order of their names.
SELECT
    concat(
        contig, chr(9), start + 1, chr(9), '.', chr(9), ref, chr(9), alt, chr(9),
        coalesce(CAST(round(any_value(CAST(qual AS DOUBLE)), 2) AS VARCHAR), '.'), chr(9), '.', chr(9), 'AC=', coalesce(sum(copies), 0),
        ';AN=', coalesce(sum(alleles), 0), ';AF=', coalesce(CAST(CAST(any_value(af) AS FLOAT) AS VARCHAR), '.'),
        CASE WHEN type = 'symbolic' THEN concat(';END=', "end") ELSE '' END, chr(9), 'GT:GQ:DP:PL', chr(9),
        string_agg(
            concat(
                gt, ':', coalesce(CAST(gq AS VARCHAR), '.'), ':', coalesce(CAST(dp AS VARCHAR), '.'), ':',
                coalesce(array_to_string(pl, ','), '.')
            ),
            chr(9) ORDER BY sample_id
        ),
        chr(10)
    ) AS line
FROM joint_genotypes($cohort, place => $place)
WHERE reference = $reference AND start >= $start AND start < $end
GROUP BY contig, start, "end", ref, alt, type
ORDER BY start, ref, alt
