-- The sex of members of a cohort by the share of heterozygous SNVs on X outside the pseudo-autosomal regions, beside the
-- one that is declared. Under 0.1 of at least min_sites is male, over 0.25 female; between, or with fewer, nothing is
-- inferred. Male X is haploid but for errors; of a female's SNVs on X about half and more are heterozygous.
CREATE OR REPLACE MACRO sex_check(cohort := 'all', min_sites := 20) AS TABLE
WITH sites AS (
    SELECT
        g.sample_id, count(*) AS x_snvs,
        count(*) FILTER (g.alt_copies < called_alleles(g.gt)) AS x_het
    FROM calls AS g
    JOIN sex_linked AS x ON x.reference = g.reference AND x.contig = g.contig AND g.start >= x.start AND g.start < x."end"
    WHERE x.chromosome = 'X' AND g.type = 'snv' AND len(coalesce(g.filters, [])) = 0
    GROUP BY g.sample_id
)
SELECT
    m.sample_id, coalesce(s.sex, f.sex) AS declared,
    CASE
        WHEN coalesce(x_snvs, 0) < min_sites THEN NULL
        WHEN x_het / x_snvs < 0.1 THEN 'male'
        WHEN x_het / x_snvs > 0.25 THEN 'female'
    END AS inferred,
    coalesce(x_snvs, 0) AS x_snvs, coalesce(x_het, 0) AS x_het
FROM cohort_members(cohort) AS m
LEFT JOIN samples AS s USING (sample_id)
LEFT JOIN (SELECT sample_id, any_value(sex) AS sex FROM families GROUP BY sample_id) AS f USING (sample_id)
LEFT JOIN sites AS x USING (sample_id)
