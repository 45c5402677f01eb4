-- Whether a substitution is A to G or C to T, or back.
CREATE OR REPLACE MACRO is_transition(base, other) AS
base || other IN ('AG', 'GA', 'CT', 'TC')
