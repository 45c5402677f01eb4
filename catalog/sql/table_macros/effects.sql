-- The gravest of what each allele does to the transcripts of a gene, by symbol or identifier; '' is all genes. Of equals
-- MANE Select comes first, then the canonical transcript. Alleles that lie beside a gene only are left out.
CREATE OR REPLACE MACRO effects(symbol := '') AS TABLE
SELECT c.*
FROM consequences AS c
WHERE c.gene_id IS NOT NULL AND c.distance IS NULL
    AND (symbol = '' OR c.gene = symbol OR c.gene_id = symbol OR c.gene_id LIKE symbol || '.%')
QUALIFY row_number() OVER (
    PARTITION BY c.reference, c.contig, c.start, c.variant_id, c.gene_id
    ORDER BY impact_rank(c.impact), c.mane = 'select' DESC NULLS LAST, c.canonical DESC, c.transcript_id
) = 1
