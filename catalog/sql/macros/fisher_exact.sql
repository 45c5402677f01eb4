-- The two-sided p of Fisher's exact test of a table of two rows, a and b, c and d: of all tables with these sums, those
-- that are no likelier.
CREATE OR REPLACE MACRO fisher_exact(a, b, c, d) AS
least(1.0, list_sum(list_transform(
    range(CAST(greatest(0, a - d) AS BIGINT), CAST(least(a + b, a + c) AS BIGINT) + 1),
    lambda k: CASE
        WHEN log_choose(a + b, k) + log_choose(c + d, a + c - k)
            <= log_choose(a + b, a) + log_choose(c + d, c) + 1e-7
        THEN exp(log_choose(a + b, k) + log_choose(c + d, a + c - k) - log_choose(a + b + c + d, a + c))
        ELSE 0.0
    END
)))
