-- Whether [first, last) of a contig, 0-based, overlaps a region as people type it; '' is everywhere.
CREATE OR REPLACE MACRO in_region(place, name, first, last) AS
place = '' OR (name = region_contig(place) AND first < region_end(place) AND last > region_start(place))
