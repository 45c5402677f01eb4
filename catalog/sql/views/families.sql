-- Persons of families: as the last pedigree that names them says, else as `samples set` does. Sex as the sample has it,
-- where it is one.
CREATE OR REPLACE VIEW families AS
SELECT
    p.family, p.sample_id, p.father, p.mother, coalesce(s.sex, p.sex) AS sex, p.affected, s.sample_id IS NOT NULL AS in_lake
FROM pedigree AS p LEFT JOIN samples AS s USING (sample_id)
UNION ALL
SELECT family, sample_id, father, mother, sex, NULL, true
FROM samples
WHERE coalesce(family, father, mother) IS NOT NULL AND sample_id NOT IN (SELECT sample_id FROM pedigree)
