-- Pieces of contigs joined where they meet. `pieces` names a table, or what a query calls so, of reference, sample_id,
-- contig, start, end and ploidy: where the ploidy changes, the next stretch begins.
CREATE OR REPLACE MACRO stretches_of(pieces) AS TABLE
WITH
marked AS (
    SELECT
        *,
        coalesce(
            start > max("end") OVER (
                PARTITION BY reference, sample_id, contig, ploidy ORDER BY start, "end"
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ),
            true
        ) AS first
    FROM query_table(pieces)
),
numbered AS (
    SELECT
        *,
        -- A count with FILTER would take the square of the time (DuckDB 1.5).
        sum(CAST(first AS INTEGER)) OVER (
            PARTITION BY reference, sample_id, contig, ploidy ORDER BY start, "end"
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS stretch
    FROM marked
),
stretches AS (
    SELECT reference, sample_id, contig, min(start) AS start, max("end") AS "end", ploidy
    FROM numbered
    GROUP BY reference, sample_id, contig, ploidy, stretch
),
followed AS (
    SELECT *, lead(start) OVER (PARTITION BY reference, sample_id, contig ORDER BY start, ploidy) AS next
    FROM stretches
)
SELECT reference, sample_id, contig, start, least("end", coalesce(next, "end")) AS "end", ploidy
FROM followed
WHERE next IS DISTINCT FROM start
