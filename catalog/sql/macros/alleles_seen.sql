-- How many copies of a site a GT tells of. Of `./0` one copy was seen, as of `./1`: to count only the latter would make
-- alternates too frequent. None of a call of fewer reads than are asked for (not `deep`), but for carriers.
CREATE OR REPLACE MACRO alleles_seen(gt, alt_copies, deep) AS
CASE WHEN deep OR alt_copies > 0 THEN called_alleles(gt) ELSE 0 END
