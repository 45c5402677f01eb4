-- Rows of `genotypes` of a cohort, whose samples a query calls `members`: where this looked them up itself, DuckDB 1.5
-- would read columns that nobody asks for. Of a region also those of alleles that may reach into it from before: who asks
-- leaves out what does not.
CREATE OR REPLACE MACRO genotypes_of(members, cohort, place := '') AS TABLE
SELECT *
FROM (
    -- Of everybody no row's sample is looked up, which takes half as long again as to add the rows up; where there is no
    -- member, nothing is read. What is not needed of these four is left out when the query is planned.
    SELECT g.* FROM genotypes AS g, (SELECT 1 FROM query_table(members) LIMIT 1) WHERE cohort = 'all'
    UNION ALL
    -- DuckDB reads from the least to the greatest of the samples that it looks for. Those of a family may be far apart
    -- among thousands: the first and the last are read by themselves.
    FROM genotypes
    WHERE cohort <> 'all' AND sample_id IN (SELECT min(m.sample_id) FROM query_table(members) AS m)
    UNION ALL
    FROM genotypes
    WHERE cohort <> 'all'
        AND sample_id IN (SELECT max(m.sample_id) FROM query_table(members) AS m HAVING count(*) > 1)
    UNION ALL
    FROM genotypes
    WHERE cohort <> 'all'
        AND sample_id IN (
            SELECT m.sample_id FROM query_table(members) AS m
            WHERE m.sample_id > (SELECT min(n.sample_id) FROM query_table(members) AS n)
                AND m.sample_id < (SELECT max(n.sample_id) FROM query_table(members) AS n)
        )
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
