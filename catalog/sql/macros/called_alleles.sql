-- How many copies of a site a GT calls: its letters but the missing ones. Alleles are 0, 1 and 2 in `genotypes`.
CREATE OR REPLACE MACRO called_alleles(gt) AS
length(translate(gt, '/|.', ''))
