-- The logarithm of how many ways there are to take k of n.
CREATE OR REPLACE MACRO log_choose(n, k) AS
lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
