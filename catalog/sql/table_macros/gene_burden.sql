-- Who of two cohorts carries an allele of a gene with at least that impact, gene by gene, with Fisher's exact test of it.
-- A person without one counts as such only who was seen at every such allele that anybody has; the others are unsure, and
-- stand in no cell of the test. max_af: by the source gnomad, as in `loss_of_function`.
CREATE OR REPLACE MACRO gene_burden(cases, controls, impact := 'HIGH', max_af := 1, min_depth := 0) AS TABLE
WITH
asked AS (SELECT impact_rank(impact) AS least),
chosen AS MATERIALIZED (
    SELECT e.reference, e.contig, e.start, e.variant_id, e.gene_id, e.gene
    FROM effects() AS e
    LEFT JOIN frequencies('gnomad') AS p USING (reference, contig, start, variant_id)
    WHERE impact_rank(e.impact) <= (SELECT a.least FROM asked AS a) AND coalesce(p.af, 0) <= max_af
),
members AS MATERIALIZED (
    SELECT m.sample_id, true AS is_case FROM cohort_members(cases) AS m
    UNION ALL
    SELECT m.sample_id, false FROM cohort_members(controls) AS m
),
seen_of AS MATERIALIZED (
    SELECT o.reference, o.contig, o.start, o.variant_id, o.sample_id, o.copies
    FROM (
        FROM copies(cases, min_depth => min_depth)
        UNION ALL
        FROM copies(controls, min_depth => min_depth)
    ) AS o
    SEMI JOIN chosen AS c USING (reference, contig, start, variant_id)
),
alleles AS (SELECT DISTINCT o.reference, o.contig, o.start, o.variant_id FROM seen_of AS o WHERE o.copies > 0),
people AS (
    SELECT
        c.reference, c.gene_id, any_value(c.gene) AS gene, m.sample_id, m.is_case,
        coalesce(max(o.copies), 0) > 0 AS carries, count(*) FILTER (o.copies IS NULL) > 0 AS unsure
    FROM alleles AS a
    JOIN chosen AS c USING (reference, contig, start, variant_id)
    CROSS JOIN members AS m
    LEFT JOIN seen_of AS o
        ON o.reference = a.reference AND o.contig = a.contig AND o.start = a.start AND o.variant_id = a.variant_id
        AND o.sample_id = m.sample_id
    GROUP BY c.reference, c.gene_id, m.sample_id, m.is_case
),
counted AS (
    SELECT
        p.reference, p.gene_id, any_value(p.gene) AS gene,
        count(*) FILTER (p.is_case AND p.carries) AS case_carriers,
        count(*) FILTER (p.is_case AND NOT p.carries AND NOT p.unsure) AS case_others,
        count(*) FILTER (p.is_case AND NOT p.carries AND p.unsure) AS case_unsure,
        count(*) FILTER (NOT p.is_case AND p.carries) AS control_carriers,
        count(*) FILTER (NOT p.is_case AND NOT p.carries AND NOT p.unsure) AS control_others,
        count(*) FILTER (NOT p.is_case AND NOT p.carries AND p.unsure) AS control_unsure
    FROM people AS p
    GROUP BY p.reference, p.gene_id
)
SELECT
    n.*, (n.case_carriers * n.control_others) / nullif(n.case_others * n.control_carriers, 0) AS odds_ratio,
    fisher_exact(n.case_carriers, n.case_others, n.control_carriers, n.control_others) AS p
FROM counted AS n
