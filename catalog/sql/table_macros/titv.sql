-- Transitions and transversions among the SNVs that a sample carries, as `bcftools stats -s` counts them; `passed`: only
-- calls that failed no filter.
CREATE OR REPLACE MACRO titv(sample, passed := false) AS TABLE
SELECT
    reference, sample_id, count(*) FILTER (is_transition(ref, alt)) AS transitions,
    count(*) FILTER (NOT is_transition(ref, alt)) AS transversions,
    count(*) FILTER (is_transition(ref, alt)) / nullif(count(*) FILTER (NOT is_transition(ref, alt)), 0) AS ti_tv
FROM calls
WHERE sample_id = sample AND type = 'snv' AND (NOT passed OR len(coalesce(filters, [])) = 0)
GROUP BY reference, sample_id
