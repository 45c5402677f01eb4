"""A lake of several people on each database, made once and copied."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from baselake.catalog.catalog import connect, create
from baselake.config import Config

from ..test_backends import Place
from .people import people


@pytest.fixture(scope="session")
def made_lakes(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Callable[[str, str | None], Path]:
    """Makes the lake of a database once: its folder, by the database's kind and the URL of an empty one."""
    made: dict[str, Path] = {}

    def make(kind: str, url: str | None) -> Path:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            create(folder / "lake", config, catalog=url)
            with connect(folder / "lake", replace(config, catalog=url or "")) as catalog:
                people(catalog, folder)
            made[kind] = folder / "lake"
        return made[kind]

    return make


@pytest.fixture(params=["sqlite", "postgres"])
def lake_of_people(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    config: Config,
    made_lakes: Callable[[str, str | None], Path],
) -> Iterator[Place]:
    if request.param == "sqlite":
        yield Place(Path(shutil.copytree(made_lakes("sqlite", None), tmp_path / "lake")), config)
        return
    server = request.getfixturevalue("postgres_server")
    with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'people'").fetchone():
            connection.execute("CREATE DATABASE people")
        folder = made_lakes("postgres", server.format("people"))
        name = f"lake_{uuid.uuid4().hex[:8]}"
        connection.execute(f"CREATE DATABASE {name} TEMPLATE people")
        url = server.format(name)
        lake = Path(shutil.copytree(folder, tmp_path / "lake"))
        settings = lake / "baselake.toml"
        settings.write_text(settings.read_text().replace(server.format("people"), url))
        yield Place(lake, replace(config, catalog=url))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
