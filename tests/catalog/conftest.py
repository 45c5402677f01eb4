"""A lake with a tiny reference, for tests that need one."""

from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.references import Reference, add_reference

SEQUENCES = {"chr1": "ACGTACGTAGGGGGGGGGTACGATCACACACACACATTGACC" * 5, "chrX": "TTGACAGGCATTTTTTTACC" * 4}


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "ref.fa"
    path.write_text("".join(f">{name} a comment\n{bases}\n" for name, bases in SEQUENCES.items()))
    return path


@pytest.fixture
def reference(catalog: Catalog, fasta: Path) -> Reference:
    return add_reference(catalog, fasta, "tiny")
