-- Release 0.4: who is whose child, and which samples are looked at together. A person of a pedigree need not be a sample.
CREATE TABLE pedigree (
    family VARCHAR, sample_id VARCHAR, father VARCHAR, mother VARCHAR, sex VARCHAR, affected BOOLEAN, job_id VARCHAR
);
CREATE TABLE cohorts (cohort VARCHAR, sample_id VARCHAR, job_id VARCHAR);
