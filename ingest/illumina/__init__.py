"""Illumina run folders: metadata, base calls and sample sheets to reads and their samples."""
