"""A backup is one moment of the catalog with all it needs, and a lake made from it is the same lake."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.upkeep.backup import backup, manifest
from baselake.catalog.upkeep.doctor import Repair, examine
from baselake.catalog.upkeep.restore import restore
from baselake.config import Config
from baselake.errors import ConflictError, InputError

from ..conftest import Place
from ..writer_process import write_reads
from .lakes import fill, state

pytestmark = pytest.mark.mostly_files


def test_a_lake_is_restored_into_either_database_with_every_snapshot(
    opened: Catalog, place: Place, tmp_path: Path, config: Config, database: str
) -> None:
    """Which is the way from SQLite to PostgreSQL and back."""
    fill(opened, tmp_path / "from")
    before = state(opened)
    done = backup(opened, tmp_path / "b.sqlite", data=tmp_path / "copies")
    assert (done.files, done.findings) == (len(list(manifest(tmp_path / "b.sqlite"))), [])
    assert done.copied == done.files
    for name, url in (("embedded", None), ("shared", None if place.config.catalog else database)):
        if name == "shared" and url is None:
            continue
        target = tmp_path / name
        made = restore(tmp_path / "b.sqlite", target, config, catalog=url, data=[tmp_path / "copies"])
        assert made.report.findings == []
        assert (made.snapshot, made.copied) == (done.snapshot, done.files)
        with connect(target, replace(config, catalog=url or "")) as restored:
            assert state(restored) == before
            write_reads(restored, "R9", 3)
            assert examine(restored).findings == []
            again = backup(restored, tmp_path / f"{name}.sqlite")
            assert again.snapshot == done.snapshot + 1


def test_only_what_is_new_is_copied_again(opened: Catalog, tmp_path: Path) -> None:
    fill(opened, tmp_path / "from")
    first = backup(opened, tmp_path / "b.sqlite", data=tmp_path / "copies")
    assert backup(opened, tmp_path / "b.sqlite", data=tmp_path / "copies").copied == 0
    write_reads(opened, "R2", 3)
    second = backup(opened, tmp_path / "b.sqlite", data=tmp_path / "copies")
    assert (second.copied, second.files) == (3, first.files + 3)  # reads, run, lineage


def test_a_damaged_file_is_not_copied_and_is_named(opened: Catalog, tmp_path: Path) -> None:
    write_reads(opened, "R1", 3)
    (path,) = (opened.layout.data / "main" / "read_records").rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:-1])
    done = backup(opened, tmp_path / "b.sqlite", data=tmp_path / "copies")
    assert [(found.kind, opened.layout.root / found.path) for found in done.findings] == [("truncated", path)]
    assert not list((tmp_path / "copies").rglob(path.name))


def test_what_is_missing_is_named_and_the_rest_is_there(
    opened: Catalog, tmp_path: Path, config: Config
) -> None:
    write_reads(opened, "R1", 3)
    write_reads(opened, "R2", 2)
    backup(opened, tmp_path / "b.sqlite", data=tmp_path / "copies")
    (lost,) = (tmp_path / "copies").rglob("run_id=R1/*/*.parquet")
    lost.unlink()
    made = restore(tmp_path / "b.sqlite", tmp_path / "new", config, data=[tmp_path / "copies"])
    (found,) = made.report.findings
    assert (found.kind, Path(found.path).name) == ("missing", lost.name)
    assert found.concerns == "3 rows of read_records (run R1, lane unknown)"
    with connect(tmp_path / "new", config) as restored:
        assert len(restored.query("SELECT * FROM read_records WHERE run_id = 'R2'")) == 2


def test_a_lake_whose_catalog_is_lost_is_made_again_where_it_lies(
    lake: Path, config: Config, tmp_path: Path
) -> None:
    with connect(lake, config) as catalog:
        fill(catalog, tmp_path / "from")
        before = state(catalog)
        backup(catalog, tmp_path / "b.sqlite")
    with pytest.raises(ConflictError, match="there is a catalog already"):
        restore(tmp_path / "b.sqlite", lake, config)
    for path in lake.glob("catalog.sqlite*"):
        path.rename(tmp_path / path.name)
    made = restore(tmp_path / "b.sqlite", lake, config)
    assert (made.copied, made.report.findings) == (0, [])
    with connect(lake, config) as catalog:
        assert state(catalog) == before


def test_the_doctor_knows_the_backups(opened: Catalog, tmp_path: Path) -> None:
    write_reads(opened, "R1", 3)
    backup(opened, tmp_path / "b.sqlite", data=tmp_path / "copies")
    shutil.rmtree(opened.layout.data / "main" / "read_records")
    report = examine(opened, repair=Repair())
    assert [(found.kind, found.outcome) for found in report.findings] == [("missing", "repaired")]
    assert report.well
    assert examine(opened).findings == []


def test_what_is_no_backup_is_refused(lake: Path, tmp_path: Path, config: Config) -> None:
    (tmp_path / "text").write_text("no database")
    for file in (tmp_path / "text", lake / "catalog.sqlite"):
        with pytest.raises(InputError, match="no backup of a lake"):
            restore(file, tmp_path / "new", config)
    assert not (tmp_path / "new").exists()
