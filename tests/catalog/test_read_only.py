"""A lake that a user may only read is read whole, written nowhere, and refuses changes in one line."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from baselake.catalog.catalog import connect, create
from baselake.config import Config

from .erase.people import align, call, import_reads


@pytest.fixture
def foreign_lake(tmp_path: Path, config: Config) -> Iterator[Path]:
    """A lake of another user's, which may be read but not written."""
    lake = tmp_path / "lake"
    create(lake, config)
    with connect(lake, config) as catalog:
        import_reads(catalog, "MARTHA", 3)
        align(catalog, "MARTHA", 3)
        call(catalog, "MARTHA", [10])
    for path in [lake, *lake.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield lake
    for path in [lake, *lake.rglob("*")]:
        path.chmod(0o755)


def as_nobody(lake: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command by a user who owns nothing of the lake; root without its privileges is one, the files being sealed."""
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.getuid() == 0 else []
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BASELAKE_")}
    return subprocess.run(
        [
            *drop,
            sys.executable,
            "-c",
            "from baselake.cli import main; main()",
            *arguments,
            "--lake",
            str(lake),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def state(lake: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in lake.rglob("*")}


def test_every_command_that_reads_works_and_writes_nothing(foreign_lake: Path) -> None:
    before = state(foreign_lake)
    for arguments, expected in (
        (("sql", "SELECT count(*) AS n FROM reads"), "n\n3\n"),
        (("sql", "SELECT count(*) AS n FROM reads", "--at", "2"), "n\n3\n"),
        (("status", "--format", "csv"), "table,rows"),
        (("runs",), "FASTQRUN"),
        (("samples",), "MARTHA"),
        (("audit",), "ingest"),
        (("audit", "--verify"), "3 rows hang together"),
        (("erase", "MARTHA", "--dry-run"), "read_records,3,0"),
    ):
        done = as_nobody(foreign_lake, *arguments)
        assert done.returncode == 0, (arguments, done.stderr)
        assert expected in done.stdout
    assert state(foreign_lake) == before


def test_every_change_is_refused_in_one_line(foreign_lake: Path) -> None:
    before = state(foreign_lake)
    for arguments in (
        ("samples", "set", "MARTHA", "--sex", "female"),
        ("erase", "MARTHA", "--yes"),
        ("align", "MARTHA"),
    ):
        done = as_nobody(foreign_lake, *arguments)
        assert done.returncode == 1
        assert "this user may not write the lake" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert state(foreign_lake) == before


def test_a_log_that_was_not_yet_taken_over_is_read_too(foreign_lake: Path, config: Config) -> None:
    """The catalog's newest rows may stand in its write-ahead log alone."""
    for path in [foreign_lake, *foreign_lake.rglob("*")]:
        path.chmod(0o755)
    with connect(foreign_lake, config) as catalog:
        import_reads(catalog, "BERTRAM", 2)
        for path in [foreign_lake, *foreign_lake.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        done = as_nobody(foreign_lake, "sql", "SELECT count(*) AS n FROM reads")
    assert done.stdout == "n\n5\n", done.stderr


def test_a_read_only_lake_says_so(lake: Path, config: Config) -> None:
    with (
        connect(lake, config, read_only=True) as catalog,
        pytest.raises(Exception, match="open for reading only"),
        catalog.job("ingest"),
    ):
        pass
