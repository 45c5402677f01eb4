"""A lake in either database, and one with a tiny reference."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.references import Reference, add_reference
from baselake.config import Config

SEQUENCES = {"chr1": "ACGTACGTAGGGGGGGGGTACGATCACACACACACATTGACC" * 5, "chrX": "TTGACAGGCATTTTTTTACC" * 4}


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of processes that tests start, as of the tests' own."""
    monkeypatch.setenv("BASELAKE_THREADS", "1")


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


@contextmanager
def copied_on_postgres(server: str, database: str, lake: Path, to: Path, config: Config) -> Iterator[Place]:
    """A copy of a lake in another folder and another database.

    Args:
        server: as `postgres_server` gives it.
        database: the name of the lake's database, which nobody is connected to.
        lake: its folder.
        to: the new folder.
        config: settings, without the catalog.
    """
    name = f"lake_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {database}")
        url = server.format(name)
        shutil.copytree(lake, to)
        settings = to / "baselake.toml"
        settings.write_text(settings.read_text().replace(server.format(database), url))
        yield Place(to, replace(config, catalog=url))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def empty_on_postgres(postgres_server: str, tmp_path_factory: pytest.TempPathFactory, config: Config) -> Path:
    """The folder of an empty lake whose catalog is the database `empty`; made once and only copied."""
    path = tmp_path_factory.mktemp("empty") / "shared"
    with psycopg.connect(postgres_server.format("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty")
    assert create(path, config, catalog=postgres_server.format("empty"))
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path, config: Config) -> Iterator[Place]:
    if request.param == "sqlite":
        yield Place(request.getfixturevalue("lake"), config)
        return
    server = request.getfixturevalue("postgres_server")
    empty = request.getfixturevalue("empty_on_postgres")
    with copied_on_postgres(server, "empty", empty, tmp_path / "shared", config) as copy:
        yield copy


@pytest.fixture
def opened(place: Place) -> Iterator[Catalog]:
    with connect(*place) as catalog:
        yield catalog
