"""What alleles do to transcripts: terms of the Sequence Ontology and names of HGVS."""

from baselake.compute.annotate.consequences import ContigConsequences
from baselake.compute.annotate.variants import Annotated, annotate_variants

__all__ = ["Annotated", "ContigConsequences", "annotate_variants"]
