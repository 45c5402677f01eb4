-- Release 0.4: what is known of genes, alleles and regions, with the release it comes from. The columns of consequences,
-- annotations and annotation_regions are those of lake/schema.py.
CREATE TABLE annotation_releases (
    release_id VARCHAR, source VARCHAR, version VARCHAR, kind VARCHAR, reference VARCHAR, path VARCHAR, format VARCHAR,
    columns VARCHAR[], source_id VARCHAR, content_id VARCHAR, bytes BIGINT, records BIGINT, loaded TIMESTAMPTZ
);
CREATE TABLE genes (
    reference VARCHAR, gene_id VARCHAR, gene VARCHAR, contig VARCHAR, start INTEGER, "end" INTEGER, strand VARCHAR,
    biotype VARCHAR, release_id VARCHAR
);
CREATE TABLE transcripts (
    reference VARCHAR, transcript_id VARCHAR, gene_id VARCHAR, gene VARCHAR, contig VARCHAR, start INTEGER, "end" INTEGER,
    strand VARCHAR, biotype VARCHAR, canonical BOOLEAN, mane VARCHAR, protein_id VARCHAR, exon_starts INTEGER[],
    exon_ends INTEGER[], cds_start INTEGER, cds_end INTEGER, phase TINYINT, whole_start BOOLEAN, whole_end BOOLEAN,
    note VARCHAR, release_id VARCHAR
);
CREATE TABLE consequences (
    reference VARCHAR, variant_id VARCHAR, contig VARCHAR, start INTEGER, gene_id VARCHAR, gene VARCHAR,
    transcript_id VARCHAR, biotype VARCHAR, canonical BOOLEAN, mane VARCHAR, terms VARCHAR[], impact VARCHAR,
    distance INTEGER, exon VARCHAR, intron VARCHAR, hgvs_c VARCHAR, hgvs_p VARCHAR, cds_position INTEGER,
    protein_position INTEGER, codons VARCHAR, amino_acids VARCHAR, lof BOOLEAN, lof_doubts VARCHAR[], release_id VARCHAR
);
ALTER TABLE consequences SET PARTITIONED BY (reference, contig);
CREATE TABLE annotations (
    reference VARCHAR, source VARCHAR, release_id VARCHAR, variant_id VARCHAR, contig VARCHAR, start INTEGER, id VARCHAR,
    filters VARCHAR[], flags VARCHAR[], integers MAP(VARCHAR, INTEGER[]), floats MAP(VARCHAR, FLOAT[]),
    strings MAP(VARCHAR, VARCHAR[])
);
ALTER TABLE annotations SET PARTITIONED BY (reference, source, contig);
CREATE TABLE annotation_regions (
    reference VARCHAR, source VARCHAR, release_id VARCHAR, contig VARCHAR, start INTEGER, "end" INTEGER, name VARCHAR,
    strings MAP(VARCHAR, VARCHAR[])
);
ALTER TABLE annotation_regions SET PARTITIONED BY (reference, source);
CREATE TABLE gene_annotations (source VARCHAR, release_id VARCHAR, gene VARCHAR, strings MAP(VARCHAR, VARCHAR[]));
CREATE TABLE panels (panel VARCHAR, gene VARCHAR, job_id VARCHAR);
