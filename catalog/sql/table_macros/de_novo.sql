-- Alleles of a child that no parent who could have passed them on has, each such parent having been seen there. A son
-- has X from his mother and Y from his father; daughters have no Y. With a parent missing nothing can be said, but of a
-- son's X and Y. min_gq: least GQ of the child, where it is known.
-- `af_gnomad` is AF of the source gnomad, NULL where it has none of the allele.
CREATE OR REPLACE MACRO de_novo(family_name, place := '', min_depth := 0, min_gq := 0) AS TABLE
SELECT i.*, p.af AS af_gnomad
FROM inheritance(family_name, place => place, min_depth => min_depth) AS i
LEFT JOIN frequencies('gnomad', place => place) AS p USING (reference, contig, start, variant_id)
WHERE coalesce(gq, min_gq) >= min_gq
    AND (father_state = 'reference' OR (chromosome = 'X' AND sex = 'male') OR contig IN ('M', 'MT', 'chrM', 'chrMT'))
    AND (mother_state = 'reference' OR (chromosome = 'Y' AND sex = 'male'))
    AND NOT (coalesce(chromosome, '') = 'Y' AND coalesce(sex, '') = 'female')
