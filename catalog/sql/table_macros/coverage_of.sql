-- Bases of each exon of a gene that members of a cohort were not seen at with min_depth reads, by reference blocks and
-- called genotypes: of its MANE Select transcript, else the canonical one, else the longest.
CREATE OR REPLACE MACRO coverage_of(symbol, min_depth := 20, cohort := 'all') AS TABLE
WITH
members AS MATERIALIZED (FROM cohort_members(cohort)),
chosen AS MATERIALIZED (
    SELECT t.* FROM transcripts AS t
    WHERE t.gene = symbol OR t.gene_id = symbol OR t.gene_id LIKE symbol || '.%'
    QUALIFY row_number() OVER (
        PARTITION BY t.reference
        ORDER BY t.mane = 'select' DESC NULLS LAST, t.canonical DESC, t.cds_end IS NOT NULL DESC, t."end" - t.start DESC,
            t.transcript_id
    ) = 1
),
exons AS MATERIALIZED (
    SELECT
        t.reference, t.gene, t.transcript_id, t.contig, unnest(t.exon_starts) AS start, unnest(t.exon_ends) AS "end",
        CASE t.strand
            WHEN '+' THEN generate_subscripts(t.exon_starts, 1)
            ELSE len(t.exon_starts) + 1 - generate_subscripts(t.exon_starts, 1)
        END AS exon
    FROM chosen AS t
),
stretches AS (
    FROM seen(
        cohort,
        place => (SELECT any_value(t.contig || ':' || (t.start + 1) || '-' || t."end") FROM chosen AS t),
        min_depth => min_depth
    )
),
pieces AS (
    SELECT
        e.reference, e.transcript_id, e.exon, m.sample_id, greatest(s.start, e.start) AS start, least(s."end", e."end") AS "end",
        max(least(s."end", e."end")) OVER (
            PARTITION BY e.reference, e.transcript_id, e.exon, m.sample_id ORDER BY s.start, s."end"
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS before
    FROM exons AS e
    CROSS JOIN members AS m
    JOIN stretches AS s
        ON s.reference = e.reference AND s.contig = e.contig AND s.sample_id = m.sample_id AND s.start < e."end"
        AND s."end" > e.start
),
covered AS (
    SELECT
        p.reference, p.transcript_id, p.exon, p.sample_id,
        sum(greatest(0, p."end" - greatest(p.start, coalesce(p.before, p.start)))) AS bases
    FROM pieces AS p
    GROUP BY ALL
)
SELECT
    e.reference, m.sample_id, e.gene, e.transcript_id, e.exon, e.contig, e.start, e."end", e."end" - e.start AS bases,
    CAST(e."end" - e.start - coalesce(c.bases, 0) AS BIGINT) AS bases_under
FROM exons AS e
CROSS JOIN members AS m
LEFT JOIN covered AS c
    ON c.reference = e.reference AND c.transcript_id = e.transcript_id AND c.exon = e.exon AND c.sample_id = m.sample_id
ORDER BY e.reference, m.sample_id, e.exon
