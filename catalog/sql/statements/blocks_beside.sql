-- Of the reference blocks that reach into a region from either side, what lies outside it, in order.
WITH reaching AS (
    SELECT * FROM reference_blocks
    WHERE reference = $reference AND sample_id = $sample AND contig = $contig AND start < $end AND "end" > $start
)
SELECT * REPLACE (CAST($start AS INTEGER) AS "end") FROM reaching WHERE start < $start
UNION ALL
SELECT * REPLACE (CAST($end AS INTEGER) AS start) FROM reaching WHERE "end" > $end
ORDER BY start
