-- Kinship of each pair of a cohort by KING-robust (Manichaikul et al. 2010, doi:10.1093/bioinformatics/btq559, equation
-- 11) over SNVs of autosomes, sites where both were seen; and the one the pedigree declares: 0.25 parent and child or
-- full siblings, 0.125 half siblings, 0 where it says nothing.
CREATE OR REPLACE MACRO relatedness(cohort, place := '', min_depth := 0) AS TABLE
WITH
sites AS MATERIALIZED (
    SELECT o.reference, o.variant_id, o.sample_id, o.copies
    FROM observed(cohort, place => place, min_depth => min_depth) AS o
    WHERE o.type = 'snv' AND o.alleles = 2 AND o.copies IS NOT NULL
        AND NOT regexp_matches(o.contig, '^(chr)?(X|Y|M|MT)$')
),
pairs AS (
    SELECT
        a.sample_id AS sample_1, b.sample_id AS sample_2, count(*) AS sites,
        count(*) FILTER (a.copies = 1 AND b.copies = 1) AS het_het,
        count(*) FILTER (abs(a.copies - b.copies) = 2) AS ibs0,
        count(*) FILTER (a.copies = 1) AS het_1, count(*) FILTER (b.copies = 1) AS het_2
    FROM sites AS a JOIN sites AS b USING (reference, variant_id)
    WHERE a.sample_id < b.sample_id
    GROUP BY a.sample_id, b.sample_id
)
SELECT
    p.sample_1, p.sample_2,
    (het_het - 2 * ibs0) / nullif(2 * least(het_1, het_2), 0) + 0.5 - (het_1 + het_2) / nullif(4 * least(het_1, het_2), 0)
        AS kinship,
    CASE
        WHEN p.sample_1 IN (b.father, b.mother) OR p.sample_2 IN (a.father, a.mother) THEN 0.25
        ELSE 0.125 * (coalesce(a.father = b.father, false)::INTEGER + coalesce(a.mother = b.mother, false)::INTEGER)
    END AS declared,
    sites, het_het, ibs0, het_1, het_2
FROM pairs AS p
LEFT JOIN families AS a ON a.sample_id = p.sample_1
LEFT JOIN families AS b ON b.sample_id = p.sample_2
