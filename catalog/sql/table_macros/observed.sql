-- What each member of a cohort has of each allele that any member has a genotype of. `copies` of the allele is NULL where
-- that is not known; `alleles` is how many copies of the site were seen. `state`: carrier, reference (none, seen with at
-- least min_depth reads), no_call (called to be unknown), not_seen (neither genotype nor block says anything).
CREATE OR REPLACE MACRO observed(cohort, place := '', min_depth := 0) AS TABLE
SELECT
    v.reference, v.variant_id, v.contig, v.start, v."end", v.ref, v.alt, v.type, o.sample_id, o.copies, o.alleles, o.state,
    o.gt, o.gq, o.dp, o.passed
FROM copies(cohort, place => place, min_depth => min_depth) AS o
JOIN variants AS v USING (reference, contig, start, variant_id)
WHERE in_region(place, v.contig, v.start, v."end")
