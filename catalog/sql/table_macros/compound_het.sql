-- Pairs of alleles in one gene that an affected child has one copy of each, in trans: one from each parent. An allele is
-- from a parent who has it where the other was seen to have none; where one parent was not seen, or is no sample, it is
-- from the other one if that one has it, else not. `evidence`: parents; one_parent, which a rare allele in both could
-- deceive; phase, where parents cannot tell and the child's phase set does. Pairs that nothing tells of are left out, and
-- so are those that an unaffected brother or sister has, too, and alleles that an unaffected parent has two copies of.
-- impact: the least of each. Sons have no such pair on X.
CREATE OR REPLACE MACRO compound_het(family_name, impact := 'MODERATE', place := '', min_depth := 0) AS TABLE
WITH
asked AS (SELECT impact_rank(impact) AS least),
carried AS MATERIALIZED (
    SELECT i.* FROM inheritance(family_name, place => place, min_depth => min_depth) AS i
),
alleles AS MATERIALIZED (
    SELECT
        c.*, e.gene_id, e.gene, e.terms, e.impact AS effect, e.hgvs_c, e.hgvs_p,
        CASE
            WHEN c.father_copies > 0 AND c.mother_copies = 0 THEN 'father'
            WHEN c.mother_copies > 0 AND c.father_copies = 0 THEN 'mother'
            WHEN c.father_copies IS NULL AND c.mother_copies > 0 THEN 'mother?'
            WHEN c.father_copies IS NULL AND c.mother_copies = 0 THEN 'father?'
            WHEN c.mother_copies IS NULL AND c.father_copies > 0 THEN 'father?'
            WHEN c.mother_copies IS NULL AND c.father_copies = 0 THEN 'mother?'
            WHEN c.father_copies = 0 AND c.mother_copies = 0 THEN 'neither'
        END AS origin,
        CASE WHEN contains(c.gt, '|') THEN coalesce(g.ps, 0) END AS phase_set,
        starts_with(c.gt, '1') AS first_strand
    FROM carried AS c
    JOIN effects() AS e USING (reference, contig, start, variant_id)
    LEFT JOIN (
        SELECT o.reference, o.sample_id, o.contig, o.start, o.variant_id, max(o.ps) AS ps
        FROM genotypes AS o WHERE o.ps IS NOT NULL AND o.sample_id IN (SELECT k.child FROM carried AS k)
        GROUP BY ALL
    ) AS g
        ON g.reference = c.reference AND g.sample_id = c.child AND g.contig = c.contig AND g.start = c.start
        AND g.variant_id = c.variant_id
    WHERE coalesce(c.affected, true) AND c.copies = 1 AND c.alleles = 2
        AND NOT (c.chromosome IS NOT NULL AND coalesce(c.sex, '') = 'male')
        AND impact_rank(e.impact) <= (SELECT k.least FROM asked AS k)
        AND (coalesce(c.father_copies, 0) < 2 OR coalesce(c.father_affected, false))
        AND (coalesce(c.mother_copies, 0) < 2 OR coalesce(c.mother_affected, false))
),
pairs AS (
    SELECT
        a.reference, a.child, a.sex, a.affected, a.father, a.mother, a.gene_id, a.gene, a.contig,
        a.variant_id AS variant_1, b.variant_id AS variant_2, a.terms AS terms_1, b.terms AS terms_2,
        a.hgvs_c AS hgvs_c_1, b.hgvs_c AS hgvs_c_2, a.hgvs_p AS hgvs_p_1, b.hgvs_p AS hgvs_p_2, a.origin AS from_1,
        b.origin AS from_2,
        CASE
            WHEN a.origin IN ('father', 'mother') AND b.origin IN ('father', 'mother')
                THEN CASE WHEN a.origin <> b.origin THEN 'parents' END
            -- Of the two that one parent alone tells of, one has to be had by that parent and the other not.
            WHEN rtrim(a.origin, '?') IN ('father', 'mother') AND rtrim(b.origin, '?') IN ('father', 'mother')
                AND rtrim(a.origin, '?') <> rtrim(b.origin, '?') THEN 'one_parent'
            WHEN a.phase_set = b.phase_set AND a.first_strand <> b.first_strand THEN 'phase'
        END AS evidence
    FROM alleles AS a
    JOIN alleles AS b
        ON b.reference = a.reference AND b.child = a.child AND b.gene_id = a.gene_id
        AND (a.start < b.start OR (a.start = b.start AND a.variant_id < b.variant_id))
)
SELECT *
FROM pairs AS p
WHERE p.evidence IS NOT NULL
    AND NOT EXISTS (
        SELECT s.child FROM carried AS s
        WHERE s.reference = p.reference AND s.variant_id IN (p.variant_1, p.variant_2) AND NOT s.affected
            AND s.child <> p.child
        GROUP BY s.child
        HAVING count(DISTINCT s.variant_id) = 2
    )
