"""Any VCF, BED or TSV as a source of annotation."""

from baselake.ingest.annotations.load import SourceImport, load_source

__all__ = ["SourceImport", "load_source"]
