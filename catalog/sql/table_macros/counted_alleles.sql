-- `allele_frequency` of a cohort whose counts are kept, from these alone: no genotype is read. None where they are not.
CREATE OR REPLACE MACRO counted_alleles(name, place := '') AS TABLE
WITH
members AS MATERIALIZED (SELECT count(*) AS n FROM cohort_members(name)),
sums AS NOT MATERIALIZED (
    SELECT
        reference, contig, start, variant_id, sum(a.genotypes) AS genotypes, sum(a.ac) AS ac, sum(a.an) AS an,
        sum(a.het) AS het, sum(a.hom_alt) AS hom_alt, sum(a.hemi) AS hemi, sum(a.no_call) AS no_call, sum(a.seen) AS seen,
        sum(a.seen_alleles) AS seen_alleles
    FROM allele_counts AS a
    WHERE a.cohort IN (SELECT c.cohort FROM counted_cohorts AS c WHERE c.cohort = name)
        AND (
            place = '' OR (
                a.contig = region_contig(place) AND a.start < region_end(place)
                AND a.start >= (
                    SELECT coalesce(min(v.start), 0) FROM variants AS v WHERE in_region(place, v.contig, v.start, v."end")
                )
            )
        )
    GROUP BY reference, contig, start, variant_id
    HAVING sum(a.genotypes) > 0
),
kept AS MATERIALIZED (
    SELECT s.*, v."end", v.ref, v.alt, v.type
    FROM sums AS s JOIN variants AS v USING (reference, contig, start, variant_id)
    WHERE in_region(place, v.contig, v.start, v."end")
),
-- Members without a genotype of the allele may have been seen there all the same.
lacking AS MATERIALIZED (
    SELECT DISTINCT reference, contig, start, "end" FROM kept WHERE genotypes < (SELECT n FROM members)
),
stretches AS MATERIALIZED (
    SELECT reference, contig, start, "end", sum(s.samples) AS n, sum(s.samples * s.ploidy) AS alleles
    FROM seen_counts AS s
    WHERE s.cohort = (SELECT any_value(name) FROM (FROM lacking LIMIT 1)) AND in_region(place, s.contig, s.start, s."end")
    GROUP BY reference, contig, start, "end"
),
-- Stretches that hold an allele are those begun at it or before, less those ended before its end, but for those that did
-- both within it. A member's stretches do not overlap.
begun AS (
    SELECT DISTINCT
        reference, contig, start AS at, sum(n) OVER upto AS n, sum(alleles) OVER upto AS alleles
    FROM stretches WINDOW upto AS (PARTITION BY reference, contig ORDER BY start)
),
ended AS (
    SELECT DISTINCT
        reference, contig, "end" AS at, sum(n) OVER upto AS n, sum(alleles) OVER upto AS alleles
    FROM stretches WINDOW upto AS (PARTITION BY reference, contig ORDER BY "end")
),
within AS (
    SELECT l.reference, l.contig, l.start, l."end", sum(s.n) AS n, sum(s.alleles) AS alleles
    FROM lacking AS l
    JOIN stretches AS s
        ON s.reference = l.reference AND s.contig = l.contig AND s.start > l.start AND s."end" < l."end"
    WHERE l."end" - l.start > 2
    GROUP BY ALL
),
held AS (
    SELECT
        l.*, coalesce(b.n, 0) - coalesce(e.n, 0) + coalesce(w.n, 0) AS n,
        coalesce(b.alleles, 0) - coalesce(e.alleles, 0) + coalesce(w.alleles, 0) AS alleles
    FROM lacking AS l
    ASOF LEFT JOIN begun AS b ON b.reference = l.reference AND b.contig = l.contig AND l.start >= b.at
    ASOF LEFT JOIN ended AS e ON e.reference = l.reference AND e.contig = l.contig AND l."end" > e.at
    LEFT JOIN within AS w
        ON w.reference = l.reference AND w.contig = l.contig AND w.start = l.start AND w."end" = l."end"
)
SELECT
    reference, variant_id, contig, start, ref, alt, type, ac, an, ac / nullif(an, 0) AS af, het, hom_alt, hemi, not_seen
FROM (
    SELECT
        k.reference, k.variant_id, k.contig, k.start, k.ref, k.alt, k.type, CAST(k.ac AS BIGINT) AS ac,
        CAST(k.an + coalesce(h.alleles - k.seen_alleles, 0) AS BIGINT) AS an, CAST(k.het AS BIGINT) AS het,
        CAST(k.hom_alt AS BIGINT) AS hom_alt, CAST(k.hemi AS BIGINT) AS hemi,
        CAST(
            k.no_call + (SELECT n FROM members) - k.genotypes - coalesce(h.n - k.seen, 0) AS BIGINT
        ) AS not_seen
    FROM kept AS k LEFT JOIN held AS h USING (reference, contig, start, "end")
)
