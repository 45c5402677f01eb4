-- The samples of a cohort or family, or one sample; 'all' is every sample.
CREATE OR REPLACE MACRO cohort_members(name) AS TABLE
SELECT c.sample_id FROM cohorts AS c WHERE c.cohort = name
UNION
SELECT sample_id FROM families WHERE family = name AND in_lake
UNION
SELECT sample_id FROM samples WHERE name IN (sample_id, 'all')
