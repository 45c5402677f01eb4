-- What each child of a family carries, beside its parents. `chromosome` is X or Y where a male has one copy, else NULL.
-- States of parents are those of `observed`, and no_sample for a parent of whom the lake has nothing.
CREATE OR REPLACE MACRO inheritance(family_name, place := '', min_depth := 0) AS TABLE
WITH
people AS MATERIALIZED (SELECT * FROM families WHERE family = family_name),
members AS MATERIALIZED (FROM cohort_members(family_name)),
-- Of a family there is little, which is kept: each look at `genotypes` goes through everybody's rows beside theirs.
rows_there AS MATERIALIZED (FROM genotypes_of('members', family_name, place => place)),
seen_of AS MATERIALIZED (
    SELECT o.*, v."end", v.ref, v.alt, v.type
    FROM copies_of('rows_there', 'members', family_name, place => place, min_depth => min_depth) AS o
    JOIN variants AS v USING (reference, contig, start, variant_id)
    WHERE in_region(place, v.contig, v.start, v."end")
)
SELECT
    o.reference, o.variant_id, o.contig, o.start, o."end", o.ref, o.alt, o.type, x.chromosome,
    c.sample_id AS child, c.sex, c.affected, o.gt, o.copies, o.alleles, o.gq, o.dp, o.passed,
    c.father, coalesce(f.state, 'no_sample') AS father_state, f.copies AS father_copies, f.alleles AS father_alleles,
    fp.affected AS father_affected, c.mother, coalesce(m.state, 'no_sample') AS mother_state, m.copies AS mother_copies,
    m.alleles AS mother_alleles, mp.affected AS mother_affected
FROM people AS c
JOIN seen_of AS o ON o.sample_id = c.sample_id AND o.copies > 0
LEFT JOIN seen_of AS f ON f.sample_id = c.father AND f.reference = o.reference AND f.variant_id = o.variant_id
LEFT JOIN seen_of AS m ON m.sample_id = c.mother AND m.reference = o.reference AND m.variant_id = o.variant_id
LEFT JOIN people AS fp ON fp.sample_id = c.father
LEFT JOIN people AS mp ON mp.sample_id = c.mother
LEFT JOIN sex_linked AS x ON x.reference = o.reference AND x.contig = o.contig AND o.start >= x.start AND o.start < x."end"
WHERE coalesce(c.father, c.mother) IS NOT NULL
