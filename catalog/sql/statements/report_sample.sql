-- What is known of a sample, with the digest of the assembly it is looked at on.
SELECT s.sample_id, s.sex, s.family, r.reference, r.digest
FROM samples AS s CROSS JOIN "references" AS r
WHERE s.sample_id = $sample AND r.reference = $reference
