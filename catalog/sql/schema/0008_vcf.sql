-- Release 0.4: imported VCF. The columns are those of lake/schema.py.
CREATE TABLE vcf_records (
    reference VARCHAR, source_id VARCHAR, record INTEGER, contig VARCHAR, start INTEGER, "end" INTEGER, id VARCHAR,
    ref VARCHAR, alts VARCHAR[], variant_ids VARCHAR[], qual FLOAT, filters VARCHAR[], info_keys VARCHAR[],
    info_integers MAP(VARCHAR, INTEGER[]), info_floats MAP(VARCHAR, FLOAT[]), info_strings MAP(VARCHAR, VARCHAR[]),
    format_keys VARCHAR[]
);
ALTER TABLE vcf_records SET PARTITIONED BY (reference, contig);

ALTER TABLE genotypes ADD COLUMN source_id VARCHAR;
ALTER TABLE genotypes ADD COLUMN record INTEGER;
ALTER TABLE genotypes ADD COLUMN format_integers MAP(VARCHAR, INTEGER[]);
ALTER TABLE genotypes ADD COLUMN format_floats MAP(VARCHAR, FLOAT[]);
ALTER TABLE genotypes ADD COLUMN format_strings MAP(VARCHAR, VARCHAR[]);
