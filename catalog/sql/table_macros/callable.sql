-- Where a sample was seen with at least so many reads, in a region: there a missing genotype is a reference one, and
-- nowhere else.
CREATE OR REPLACE MACRO callable(sample, place := '', min_depth := 0) AS TABLE
SELECT
    reference, sample_id, contig,
    CASE WHEN place = '' THEN start ELSE greatest(start, region_start(place)) END AS start,
    CASE WHEN place = '' THEN "end" ELSE least("end", region_end(place)) END AS "end",
    ploidy
FROM seen(sample, place => place, min_depth => min_depth)
WHERE sample_id = sample
