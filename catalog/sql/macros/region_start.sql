-- The first base of such a region, 0-based.
CREATE OR REPLACE MACRO region_start(place) AS
coalesce(
    CAST(nullif(replace(regexp_extract(place, ':([0-9,]+)(-[0-9,]*)?$', 1), ',', ''), '') AS BIGINT) - 1, 0
)
