-- The contig of a region as people type it: `chr20`, `chr20:10,000`, `chr20:10,000-20,000`.
CREATE OR REPLACE MACRO region_contig(place) AS
regexp_extract(place, '^(.+?)(:[0-9,]+(-[0-9,]*)?)?$', 1)
