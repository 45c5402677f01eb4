-- The base after the last of such a region: 2^31 where it runs to the end of the contig.
CREATE OR REPLACE MACRO region_end(place) AS
coalesce(
    CAST(nullif(replace(regexp_extract(place, ':[0-9,]+-([0-9,]+)$', 1), ',', ''), '') AS BIGINT), 2147483648
)
