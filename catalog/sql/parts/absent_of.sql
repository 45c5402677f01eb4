-- Members of a cohort without a row of an allele that others have one of, and whether a stretch that was seen (`seen`)
-- holds the allele, with how many copies of it. `rows` names what a query calls its rows of `genotypes`, `sites` the
-- alleles among them (`sites_of`), `members` its samples, those of the cohort.
CREATE OR REPLACE MACRO absent_of(rows, sites, members, cohort, place := '', min_depth := 0) AS TABLE
WITH
lacking AS MATERIALIZED (
    SELECT s.reference, s.contig, s.start, v."end", s.variant_id
    FROM query_table(sites) AS s JOIN variants AS v USING (reference, contig, start, variant_id)
    WHERE s.present < (SELECT count(*) FROM query_table(members)) OR s.repeated
),
-- Rows of these alleles only: all others would be hashed for nothing.
there AS (
    SELECT reference, contig, start, variant_id, sample_id
    FROM query_table(rows) SEMI JOIN lacking USING (reference, contig, start, variant_id)
),
missing AS MATERIALIZED (
    SELECT reference, contig, start, "end", variant_id, sample_id
    FROM (SELECT l.*, m.sample_id FROM lacking AS l, query_table(members) AS m)
        ANTI JOIN there USING (reference, contig, start, variant_id, sample_id)
),
-- Of nobody where no row is missing: joining stretches takes longer than all the rest.
stretches AS (
    FROM seen((SELECT any_value(cohort) FROM (FROM missing LIMIT 1)), place => place, min_depth => min_depth)
)
SELECT
    m.reference, m.contig, m.start, m.variant_id, m.sample_id, coalesce(c."end" >= m."end", false) AS was_seen,
    CASE WHEN c."end" >= m."end" THEN c.ploidy END AS ploidy
FROM missing AS m
ASOF LEFT JOIN stretches AS c
    ON c.reference = m.reference AND c.sample_id = m.sample_id AND c.contig = m.contig AND m.start >= c.start
