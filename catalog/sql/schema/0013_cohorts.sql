-- Release 0.4: files of genotypes and of blocks may hold many samples. Those that are there stay where they are.
ALTER TABLE genotypes SET PARTITIONED BY (reference, contig);
ALTER TABLE reference_blocks SET PARTITIONED BY (reference, contig);

-- Counted once, not at each question: what a cohort has of each allele, and where its members were seen. Rows are
-- added, and are summed up.
CREATE TABLE counted_cohorts (cohort VARCHAR, job_id VARCHAR);
CREATE TABLE allele_counts (
    cohort VARCHAR, reference VARCHAR, contig VARCHAR, start INTEGER, variant_id VARCHAR, genotypes INTEGER, ac INTEGER,
    an INTEGER, het INTEGER, hom_alt INTEGER, hemi INTEGER, no_call INTEGER, seen INTEGER, seen_alleles INTEGER
);
CREATE TABLE seen_counts (
    cohort VARCHAR, reference VARCHAR, contig VARCHAR, start INTEGER, "end" INTEGER, ploidy TINYINT, samples INTEGER
);
-- All samples are a cohort that is counted from the start: where nothing was called yet.
INSERT INTO counted_cohorts
SELECT 'all', NULL WHERE NOT EXISTS (FROM genotypes) AND NOT EXISTS (FROM reference_blocks);

-- Joint genotyping: of each allele the sums over likelihoods of members that have a genotype of it, and who is in them.
CREATE TABLE joint_members (cohort VARCHAR, reference VARCHAR, sample_id VARCHAR, job_id VARCHAR);
CREATE TABLE joint_sums (
    cohort VARCHAR, reference VARCHAR, contig VARCHAR, start INTEGER, variant_id VARCHAR, an INTEGER, alleles INTEGER,
    expected DOUBLE, log_ratio DOUBLE
);
