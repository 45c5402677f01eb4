"""SIGKILL in the middle of upkeep: every row is there, and to do it again completes it."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.upkeep.backup import backup
from baselake.catalog.upkeep.compact import compact
from baselake.catalog.upkeep.doctor import Repair, examine
from baselake.catalog.upkeep.expire import expire
from baselake.catalog.upkeep.restore import restore
from baselake.config import Config
from baselake.errors import NotFoundError

from ..writer_process import write_alleles, write_reads
from .lakes import rows, snapshots

_SCRIPT = Path(__file__).with_name("killed_process.py")
_UPKEEP = "baselake.catalog.upkeep."
_TABLES = ("variants", "read_records", "runs")


def die(lake: Path, what: str, module: str, function: str, when: str, folder: Path) -> None:
    arguments = [str(lake), what, module, function, when, str(folder)]
    done = subprocess.run([sys.executable, _SCRIPT, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr


def fill(catalog: Catalog) -> dict[str, list[dict[str, object]]]:
    for number in range(3):
        write_alleles(catalog, [number])
        write_reads(catalog, "R", 2)
    return {table: rows(catalog, table) for table in _TABLES}


def well(catalog: Catalog, wanted: dict[str, list[dict[str, object]]]) -> None:
    assert {table: rows(catalog, table) for table in _TABLES} == wanted
    examine(catalog, repair=Repair(safe_age=timedelta(0)))
    assert examine(catalog).findings == []


@pytest.mark.parametrize(
    ("module", "function", "when"),
    [
        (f"{_UPKEEP}compact", "_write", "after"),
        (f"{_UPKEEP}compact", "_exchange", "after"),
        ("baselake.catalog.job", "record_files", "before"),
    ],
)
def test_compaction(opened: Catalog, tmp_path: Path, module: str, function: str, when: str) -> None:
    wanted = fill(opened)
    die(opened.layout.root, "compact", module, function, when, tmp_path)
    assert {table: rows(opened, table) for table in _TABLES} == wanted
    compact(opened, min_files=2)
    well(opened, wanted)
    assert not list(opened.layout.jobs.iterdir())


@pytest.mark.parametrize(
    ("function", "when"), [("_expire", "before"), ("_expire", "after"), ("delete_location", "after")]
)
def test_expiry(opened: Catalog, tmp_path: Path, function: str, when: str) -> None:
    wanted = fill(opened)
    compact(opened, min_files=2)
    opened.lease()
    die(opened.layout.root, "expire", f"{_UPKEEP}expire", function, when, tmp_path)
    assert {table: rows(opened, table) for table in _TABLES} == wanted
    expire(opened, timedelta(0), grace=timedelta(0))
    assert snapshots(opened) == [opened.newest_snapshot()]
    well(opened, wanted)


@pytest.mark.parametrize(
    ("function", "when"),
    [("_copy_catalog", "after"), ("_write_manifest", "after"), ("write_location", "after")],
)
def test_backup(opened: Catalog, tmp_path: Path, config: Config, function: str, when: str) -> None:
    wanted = fill(opened)
    backup(opened, tmp_path / "b.sqlite")
    before = (tmp_path / "b.sqlite").read_bytes()
    die(opened.layout.root, "backup", f"{_UPKEEP}backup", function, when, tmp_path)
    # The old backup, or the new one whole.
    if function != "write_location":
        assert (tmp_path / "b.sqlite").read_bytes() == before
    assert backup(opened, tmp_path / "b.sqlite", data=tmp_path / "copies").findings == []
    made = restore(tmp_path / "b.sqlite", tmp_path / "new", config, data=[tmp_path / "copies"])
    assert made.report.findings == []
    with connect(tmp_path / "new", config) as restored:
        well(restored, wanted)


@pytest.mark.parametrize(
    ("function", "when"), [("_bring", "after"), ("write_location", "after"), ("copy_metadata", "after")]
)
def test_restore(opened: Catalog, tmp_path: Path, config: Config, function: str, when: str) -> None:
    wanted = fill(opened)
    backup(opened, tmp_path / "b.sqlite", data=tmp_path / "copies")
    die(tmp_path / "new", "restore", f"{_UPKEEP}restore", function, when, tmp_path)
    with pytest.raises(NotFoundError):
        connect(tmp_path / "new", config)
    restore(tmp_path / "b.sqlite", tmp_path / "new", config, data=[tmp_path / "copies"])
    with connect(tmp_path / "new", config) as restored:
        well(restored, wanted)
