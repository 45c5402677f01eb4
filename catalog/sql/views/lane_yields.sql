-- Clusters of each lane that is, or is being, imported: all, and those that passed the instrument's filter.
CREATE OR REPLACE VIEW lane_yields AS
SELECT
    run_id, lane, count(*) AS tiles, CAST(sum(clusters) AS BIGINT) AS clusters,
    CAST(sum(clusters_pf) AS BIGINT) AS clusters_pf
FROM run_tiles
GROUP BY run_id, lane
