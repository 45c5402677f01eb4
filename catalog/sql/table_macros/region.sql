-- Calls that overlap a region as people type it.
CREATE OR REPLACE MACRO region(place) AS TABLE
SELECT * FROM calls
WHERE contig = region_contig(place) AND start < region_end(place) AND "end" > region_start(place)
