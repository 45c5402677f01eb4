-- Release 0.4: alleles of mitochondria have fractions. The columns are those of lake/schema.py.
ALTER TABLE genotypes ADD COLUMN af FLOAT;
