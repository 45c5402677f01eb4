"""Encodings of the large columns of reads and alignments: lossless, and small beside CRAM."""
