"""A lake in either database, and one with a tiny reference."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.references import Reference, add_reference
from baselake.config import Config

SEQUENCES = {"chr1": "ACGTACGTAGGGGGGGGGTACGATCACACACACACATTGACC" * 5, "chrX": "TTGACAGGCATTTTTTTACC" * 4}


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "ref.fa"
    path.write_text("".join(f">{name} a comment\n{bases}\n" for name, bases in SEQUENCES.items()))
    return path


@pytest.fixture
def reference(catalog: Catalog, fasta: Path) -> Reference:
    return add_reference(catalog, fasta, "tiny")


class Place(NamedTuple):
    """An empty lake."""

    lake: Path
    config: Config


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, lake: Path, tmp_path: Path, config: Config) -> Place:
    if request.param == "sqlite":
        return Place(lake, config)
    url = request.getfixturevalue("database")
    assert create(tmp_path / "shared", config, catalog=url)
    return Place(tmp_path / "shared", replace(config, catalog=url))


@pytest.fixture
def opened(place: Place) -> Iterator[Catalog]:
    with connect(*place) as catalog:
        yield catalog
