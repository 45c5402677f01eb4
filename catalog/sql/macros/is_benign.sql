-- Whether words of ClinVar's CLNSIG say benign or likely benign; conflicting classifications do not.
CREATE OR REPLACE MACRO is_benign(words) AS
regexp_matches(array_to_string(words, '|'), '(^|[|/,])_?(Likely_b|B|b)enign')
