"""The world's formats in: FASTQ and SAM/BAM/CRAM become rows of the lake's tables, one transaction per import."""
