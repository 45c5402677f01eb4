-- Runs that somebody may be waiting for, or has to look at.
SELECT run_id, state, cycles, cycles_expected, error
FROM runs
WHERE state NOT IN ('complete', 'imported')
ORDER BY run_id
