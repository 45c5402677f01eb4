-- Copies of an allele that a GT has: NULL where that is not known, as of a reference call of fewer reads than are asked for
-- (not `deep`).
CREATE OR REPLACE MACRO copies_seen(alt_copies, deep) AS
CASE WHEN deep OR alt_copies > 0 THEN alt_copies END
