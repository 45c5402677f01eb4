"""A lake of several people on each database, made once and copied."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from baselake.catalog.catalog import connect, create
from baselake.config import Config

from ..conftest import Place, copied_on_postgres
from .people import people


@pytest.fixture(scope="session")
def people_on(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, config: Config
) -> Callable[[str], AbstractContextManager[Place]]:
    """Gives a copy of the lake, by the kind of its database."""
    made: dict[str, Path] = {}

    def make(kind: str, url: str | None) -> Path:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            create(folder / "lake", config, catalog=url)
            with connect(folder / "lake", replace(config, catalog=url or "")) as catalog:
                people(catalog, folder)
            made[kind] = folder / "lake"
        return made[kind]

    @contextmanager
    def copied(kind: str) -> Iterator[Place]:
        lake = tmp_path_factory.mktemp("people") / "lake"
        if kind == "sqlite":
            yield Place(Path(shutil.copytree(make(kind, None), lake)), config)
            return
        server = request.getfixturevalue("postgres_server")
        with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
            if not made.get(kind):
                connection.execute("CREATE DATABASE people")
            folder = make(kind, server.format("people"))
        with copied_on_postgres(server, "people", folder, lake, config) as place:
            yield place

    return copied


@pytest.fixture(params=["sqlite", "postgres"])
def lake_of_people(
    request: pytest.FixtureRequest, people_on: Callable[[str], AbstractContextManager[Place]]
) -> Iterator[Place]:
    with people_on(request.param) as place:
        yield place
