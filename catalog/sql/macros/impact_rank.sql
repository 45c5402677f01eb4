-- The place of an impact among Ensembl's four, the gravest first.
CREATE OR REPLACE MACRO impact_rank(impact) AS
CASE impact WHEN 'HIGH' THEN 1 WHEN 'MODERATE' THEN 2 WHEN 'LOW' THEN 3 WHEN 'MODIFIER' THEN 4 END
