-- What each member of a cohort has of each allele that any member has a genotype of. `copies` of the allele is NULL where
-- that is not known; `alleles` is how many copies of the site were seen. `state`: carrier, reference (none, seen with at
-- least min_depth reads), no_call (called to be unknown), not_seen (neither genotype nor block says anything).
CREATE OR REPLACE MACRO observed(cohort, place := '', min_depth := 0) AS TABLE
WITH
members AS MATERIALIZED (FROM cohort_members(cohort)),
-- Of an allele that stands in several records, the one with most copies.
own AS MATERIALIZED (
    SELECT
        g.reference, g.contig, g.start, g.variant_id, g.sample_id, max(g.alt_copies) AS copies,
        max(called_alleles(g.gt)) AS alleles, max(coalesce(g.dp, 0)) AS dp, max(g.gq) AS gq,
        bool_and(len(coalesce(g.filters, [])) = 0) AS passed, min(g.gt) AS gt
    FROM genotypes AS g
    WHERE g.sample_id IN (FROM members) AND g.variant_id IS NOT NULL
        -- An allele may reach into the region from before it; what does not is left out below.
        AND (place = '' OR (g.contig = region_contig(place) AND g.start < region_end(place)))
    GROUP BY g.reference, g.contig, g.start, g.variant_id, g.sample_id
),
sites AS MATERIALIZED (
    SELECT v.reference, v.contig, v.start, v."end", v.variant_id, v.ref, v.alt, v.type, o.members_with_row
    FROM variants AS v
    JOIN (
        SELECT reference, contig, start, variant_id, count(*) AS members_with_row FROM own GROUP BY ALL
    ) AS o USING (reference, contig, start, variant_id)
    WHERE in_region(place, v.contig, v.start, v."end")
),
missing AS (
    SELECT s.*, m.sample_id
    FROM sites AS s, members AS m
    WHERE s.members_with_row < (SELECT count(*) FROM members)
        AND NOT EXISTS (
            FROM own AS o
            WHERE o.reference = s.reference AND o.contig = s.contig AND o.start = s.start AND o.variant_id = s.variant_id
                AND o.sample_id = m.sample_id
        )
),
stretches AS (FROM seen(cohort, place => place, min_depth => min_depth)),
found AS (
    SELECT m.*, c."end" AS seen_to, c.ploidy
    FROM missing AS m
    ASOF LEFT JOIN stretches AS c
        ON c.reference = m.reference AND c.sample_id = m.sample_id AND c.contig = m.contig AND c.start <= m.start
)
SELECT
    s.reference, s.variant_id, s.contig, s.start, s."end", s.ref, s.alt, s.type, o.sample_id,
    CASE WHEN o.copies = 0 AND o.dp < min_depth THEN NULL ELSE o.copies END AS copies,
    CASE WHEN o.copies IS NULL OR (o.copies = 0 AND o.dp < min_depth) THEN 0 ELSE o.alleles END AS alleles,
    CASE
        WHEN o.copies > 0 THEN 'carrier'
        WHEN o.copies IS NULL THEN 'no_call'
        WHEN o.dp < min_depth THEN 'not_seen'
        ELSE 'reference'
    END AS state,
    o.gt, o.gq, o.dp, o.passed
FROM own AS o JOIN sites AS s USING (reference, contig, start, variant_id)
UNION ALL BY NAME
SELECT
    reference, variant_id, contig, start, "end", ref, alt, type, sample_id,
    CASE WHEN seen_to >= "end" THEN 0 END AS copies,
    CASE WHEN seen_to >= "end" THEN ploidy ELSE 0 END AS alleles,
    CASE WHEN seen_to >= "end" THEN 'reference' ELSE 'not_seen' END AS state
FROM found
