-- Rows of `genotypes` of a cohort, whose samples a query calls `members`: where this looked them up itself, DuckDB 1.5
-- would read columns that nobody asks for. Of a region also those of alleles that may reach into it from before: who asks
-- leaves out what does not.
CREATE OR REPLACE MACRO genotypes_of(members, cohort, place := '') AS TABLE
SELECT *
FROM (
    -- Of everybody no row's sample is looked up, which takes half as long again as to add the rows up; where there is no
    -- member, nothing is read. One of the two is left out when the query is planned.
    SELECT g.* FROM genotypes AS g, (SELECT 1 FROM query_table(members) LIMIT 1) WHERE cohort = 'all'
    UNION ALL
    FROM genotypes WHERE cohort <> 'all' AND sample_id IN (FROM query_table(members))
)
WHERE variant_id IS NOT NULL
    AND (
        place = '' OR (
            contig = region_contig(place) AND start < region_end(place)
            AND start >= (
                SELECT coalesce(min(v.start), 0) FROM variants AS v WHERE in_region(place, v.contig, v.start, v."end")
            )
        )
    )
