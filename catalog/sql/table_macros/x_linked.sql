-- Alleles of X outside the pseudo-autosomal regions that an affected child has on every X: a son one that his mother
-- carries, a daughter one from each parent. A parent who was not seen there, or is no sample, is told by the state and
-- rules nothing out. No unaffected father or brother has the allele. GT may be haploid or, as some callers write it,
-- diploid.
CREATE OR REPLACE MACRO x_linked(family_name, place := '', min_depth := 0) AS TABLE
WITH all_children AS MATERIALIZED (FROM inheritance(family_name, place => place, min_depth => min_depth))
SELECT *
FROM all_children AS c
WHERE coalesce(affected, true) AND chromosome = 'X' AND copies = alleles AND NOT contains(gt, '.')
    AND (mother_copies IS NULL OR (mother_copies > 0 AND (mother_copies < 2 OR coalesce(mother_affected, false))))
    AND (coalesce(father_copies, 0) = 0 OR coalesce(father_affected, sex = 'female'))
    AND (sex = 'male' OR (sex = 'female' AND (father_copies IS NULL OR father_copies > 0)))
    AND NOT EXISTS (
        FROM all_children AS s
        WHERE s.reference = c.reference AND s.variant_id = c.variant_id AND s.sex = 'male' AND NOT s.affected
    )
