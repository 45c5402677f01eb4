-- What the releases that answer say of alleles.
CREATE OR REPLACE VIEW current_annotations AS
SELECT a.* FROM annotations AS a
WHERE a.release_id IN (SELECT release_id FROM current_releases WHERE kind = 'alleles')
