-- Whether words of ClinVar's CLNSIG say pathogenic or likely pathogenic; conflicting classifications do not.
CREATE OR REPLACE MACRO is_pathogenic(words) AS
regexp_matches(array_to_string(words, '|'), '(^|[|/,])_?(Likely_p|P|p)athogenic')
