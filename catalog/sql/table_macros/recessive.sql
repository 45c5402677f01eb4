-- Alleles that an affected child has two copies of, and each parent one: autosomal recessive. A parent who has two must be
-- affected too; one who was not seen there, or is no sample, is told by the state and rules nothing out. Unaffected
-- brothers and sisters do not have two. Where nobody's disease is known every child counts as affected.
CREATE OR REPLACE MACRO recessive(family_name, place := '', min_depth := 0) AS TABLE
WITH all_children AS MATERIALIZED (FROM inheritance(family_name, place => place, min_depth => min_depth))
SELECT *
FROM all_children AS c
WHERE coalesce(affected, true) AND copies = 2 AND alleles = 2 AND chromosome IS NULL
    AND (father_copies IS NULL OR father_copies = 1 OR (father_copies = 2 AND coalesce(father_affected, false)))
    AND (mother_copies IS NULL OR mother_copies = 1 OR (mother_copies = 2 AND coalesce(mother_affected, false)))
    AND NOT EXISTS (
        FROM all_children AS s
        WHERE s.reference = c.reference AND s.variant_id = c.variant_id AND s.copies = 2 AND NOT s.affected
    )
