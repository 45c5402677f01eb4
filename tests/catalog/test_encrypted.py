"""A lake whose files are encrypted: everything works as ever, and without a file's key nothing is left of it."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.erase.erasure import erase_sample
from baselake.catalog.erase.keys import open_keys
from baselake.catalog.restore import restore_snapshot
from baselake.catalog.tiers import move, remote
from baselake.catalog.tiers.define import add_tier
from baselake.catalog.tiers.move import Relocation, relocate
from baselake.catalog.tiers.placement import held_files
from baselake.catalog.upkeep.backup import backup
from baselake.catalog.upkeep.compact import compact
from baselake.catalog.upkeep.doctor import Repair, examine
from baselake.catalog.upkeep.expire import expire
from baselake.catalog.upkeep.restore import restore
from baselake.errors import StorageError
from baselake.lake.keyring import keyring
from baselake.lake.tiers import Tier

from ..commands import baselake
from .erase.people import people
from .upkeep.lakes import fill, rows, snapshots, state
from .writer_process import write_reads


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir()
    monkeypatch.setenv("BASELAKE_KEYRING", str(folder))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an encrypted lake with some of everything, and its keys; made once and only copied."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "keys").mkdir()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BASELAKE_KEYRING", str(folder / "keys"))
        create(folder / "lake", encrypted=True)
        with connect(folder / "lake") as catalog:
            fill(catalog, folder / "from")
    return folder


@pytest.fixture
def encrypted(made: Path, tmp_path: Path, keys: Path) -> Iterator[Catalog]:
    """A copy of that lake, open."""
    shutil.copytree(made / "keys", keys, dirs_exist_ok=True)
    shutil.copytree(made / "lake", tmp_path / "lake")
    with connect(tmp_path / "lake") as catalog:
        yield catalog


def stored(catalog: Catalog) -> list[Path]:
    folders = (catalog.layout.data, catalog.layout.objects)
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def all_files(catalog: Catalog, tier: str) -> list[Relocation]:
    return [Relocation(file=one, tier=tier) for one in held_files(catalog)]


def names(keys: Path) -> set[str]:
    return {path.name for path in keys.rglob("*") if path.is_file()} - {"baselake-keyring"}


def test_it_shows_what_a_plain_lake_shows(encrypted: Catalog, tmp_path: Path) -> None:
    create(tmp_path / "plain")
    with connect(tmp_path / "plain") as plain:
        fill(plain, tmp_path / "from2")
        for ours, theirs in zip(state(encrypted).values(), state(plain).values(), strict=True):
            assert {table: len(rows) for table, rows in ours.items()} == {
                table: len(rows) for table, rows in theirs.items()
            }
            assert [row["name"] for row in ours["read_records"]] == [
                row["name"] for row in theirs["read_records"]
            ]


def test_no_file_is_plain_and_each_has_a_key_of_its_own(encrypted: Catalog, keys: Path) -> None:
    files = stored(encrypted)
    assert len(files) > 10
    for path in files:
        data = path.read_bytes()
        assert b"PAR1" not in (data[:4], data[-4:])
        assert data not in (b"one", b"two")  # the kept objects
    assert names(keys) == {path.name for path in files}
    found = [path.read_text() for path in keys.rglob("*") if path.is_file()]
    assert len(set(found)) == len(files) + 1  # with the keyring's own mark


def test_past_snapshots_compaction_and_restoration_are_as_ever(encrypted: Catalog) -> None:
    before = state(encrypted)
    assert {done.outcome for done in compact(encrypted, min_files=2)} == {"done"}
    for number, tables in before.items():
        assert {table: rows(encrypted, table, number) for table in tables} == tables
    restore_snapshot(encrypted, snapshots(encrypted)[-3])
    assert examine(encrypted).findings == []


def test_files_that_go_take_their_keys_with_them(encrypted: Catalog, keys: Path) -> None:
    compact(encrypted, min_files=2)
    encrypted.close()  # what it may read does not expire
    with connect(encrypted.layout.root) as catalog:
        assert expire(catalog, timedelta(0), grace=timedelta(0)).files_removed > 3
        assert names(keys) == {path.name for path in stored(catalog)}
        assert examine(catalog).findings == []


@pytest.mark.parametrize("where", ["directory", "s3"])
def test_files_move_as_they_are_and_are_read_where_they_lie(
    encrypted: Catalog,
    where: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(move, "HEARD_SECONDS", -1.0)
    monkeypatch.setattr(remote, "_LOOK_SECONDS", 0.0)
    url = request.getfixturevalue("bucket") if where == "s3" else str(tmp_path / "warm")
    (tmp_path / "warm").mkdir()
    (tmp_path / "tape").mkdir()
    add_tier(encrypted, Tier(name="warm", url=url))
    add_tier(encrypted, Tier(name="tape", url=str(tmp_path / "tape"), kind="cold"))
    before = state(encrypted)
    for tier in ("warm", "tape"):
        moved, _ = relocate(encrypted, all_files(encrypted, tier))
        assert moved > 3
        assert examine(encrypted).findings == []
        if tier == "warm":
            assert state(encrypted) == before
            if where == "directory":
                assert all(
                    b"PAR1" not in path.read_bytes() for path in (tmp_path / "warm").rglob("*.parquet")
                )
    with pytest.raises(StorageError, match="recalled"):
        encrypted.query("SELECT name FROM read_records")
    relocate(encrypted, all_files(encrypted, "hot"))
    assert state(encrypted) == before


@pytest.mark.parametrize("where", ["directory", "s3"])
def test_a_backup_is_of_encrypted_files_and_comes_back_with_the_keys(
    encrypted: Catalog,
    where: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copies = request.getfixturevalue("bucket") if where == "s3" else str(tmp_path / "copies")
    done = backup(encrypted, tmp_path / "b.sqlite", data=copies)
    assert (done.copied, done.findings) == (done.files, [])
    assert backup(encrypted, tmp_path / "b.sqlite", data=copies).copied == 0
    before = state(encrypted)
    restored = restore(tmp_path / "b.sqlite", tmp_path / "again", data=[copies])
    assert (restored.copied, restored.report.findings) == (done.files, [])
    with connect(tmp_path / "again") as again:
        assert state(again) == before
    monkeypatch.delenv("BASELAKE_KEYRING")
    with pytest.raises(StorageError, match="this process has no keyring"):
        restore(tmp_path / "b.sqlite", tmp_path / "without", data=[copies])


def test_the_doctor_tells_of_lost_and_of_stray_keys(encrypted: Catalog, keys: Path) -> None:
    lost = next(path for path in stored(encrypted) if "read_records" in str(path))
    (keys / lost.name).rename(keys / "somewhere-else.parquet")
    ring = keyring()
    assert ring is not None
    ring.key.cache_clear()
    found = {(one.kind, one.path.rsplit("/", 1)[-1]) for one in examine(encrypted).findings}
    assert found == {("no key", lost.name), ("stray key", "somewhere-else.parquet")}
    with (
        pytest.raises(StorageError, match="its key is not in the keyring"),
        connect(encrypted.layout.root) as again,
    ):
        again.query("SELECT count(seq), max(name) FROM read_records WHERE run_id = 'R1'")
    (keys / "somewhere-else.parquet").rename(keys / lost.name)
    ring.key.cache_clear()
    (keys / "stray.parquet").write_text("00" * 32)
    repaired = examine(encrypted, repair=Repair()).findings
    assert [(one.kind, one.outcome) for one in repaired] == [("stray key", "repaired")]
    assert examine(encrypted).findings == []


def test_a_lake_is_encrypted_from_some_day_on(tmp_path: Path, keys: Path) -> None:
    create(tmp_path / "lake")
    with connect(tmp_path / "lake") as catalog:
        write_reads(catalog, "R1", 3)
        plain = set(stored(catalog))
    assert create(tmp_path / "lake", encrypted=True) is False
    with connect(tmp_path / "lake") as catalog:
        for count in (4, 5):
            write_reads(catalog, "R1", count)
        assert catalog.query("SELECT count(*) AS n FROM read_records")["n"][0].as_py() == 12
        new = set(stored(catalog)) - plain
        assert new
        assert {path.read_bytes()[:4] == b"PAR1" for path in new} == {False}
        compact(catalog, min_files=1)
    with connect(tmp_path / "lake") as catalog:
        expire(catalog, timedelta(0), grace=timedelta(0))
        reads = [path for path in stored(catalog) if "read_records" in str(path)]
        assert [path.read_bytes()[:4] == b"PAR1" for path in reads] == [False]
        assert examine(catalog).findings == []


def test_a_killed_writer_leaves_no_key_behind(encrypted: Catalog, tmp_path: Path, keys: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from baselake.catalog.catalog import connect;"
        " import baselake.catalog.job as job;"
        " job.Job.register = lambda self, cursor: os.kill(os.getpid(), signal.SIGKILL);"
        " from tests.catalog.writer_process import write_reads;"
        " write_reads(connect(Path(sys.argv[1])), 'R9', 5)"
    )
    before = names(keys)
    died = subprocess.run(
        [sys.executable, "-c", script, str(encrypted.layout.root)], cwd=Path(__file__).parents[2], check=False
    )
    assert died.returncode == -signal.SIGKILL
    assert names(keys) > before  # it had begun its files
    with connect(encrypted.layout.root) as again:
        write_reads(again, "R10", 1)
        assert {path.name for path in stored(again)} == names(keys)


def test_copies_of_an_erased_persons_files_are_noise(tmp_path: Path, keys: Path) -> None:
    """Those too that the lake knows nothing of: a mirror of its disk, a backup on tape."""
    create(tmp_path / "lake", encrypted=True)
    with connect(tmp_path / "lake") as catalog:
        people(catalog, tmp_path)
        mine = [path for path in stored(catalog) if "sample_id=MARTHA/" in str(path)]
    assert mine
    with connect(tmp_path / "lake") as catalog:
        signing = open_keys(tmp_path / "signing", tmp_path / "lake")
        assert erase_sample(catalog, "MARTHA", signing, "the test").findings == ()
    left = names(keys)
    assert not left & {path.name for path in mine}
    with connect(tmp_path / "lake") as catalog:
        assert {path.name for path in stored(catalog)} <= left
        assert examine(catalog).findings == []
        assert b"PAR1" not in b"".join(path.read_bytes()[:4] for path in stored(catalog))


def test_kept_files_come_back_as_they_came(encrypted: Catalog, tmp_path: Path) -> None:
    lake = encrypted.layout.root
    assert baselake(lake, "runs", "file", "R1", "sheet.csv").stdout == "two"
    baselake(lake, "runs", "file", "R1", "sheet.csv", "-o", tmp_path / "sheet.csv")
    assert (tmp_path / "sheet.csv").read_text() == "two"
    told = baselake(lake, "runs", "file", "R1", "other.csv", status=1).stderr
    assert "no kept file 'other.csv' of run 'R1'" in told
    assert "It has sheet.csv" in told


def test_the_command_line_makes_it_and_says_what_is_missing(
    tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = tmp_path / "lake"
    assert baselake(lake, "init", "--encrypt").returncode == 0
    assert baselake(lake, "sql", "SELECT count(*) FROM samples").stdout.split() == ["count_star()", "0"]
    monkeypatch.delenv("BASELAKE_KEYRING")
    told = baselake(lake, "status", status=1).stderr
    assert "the lake is encrypted, and this process has no keyring" in told
    assert "Set BASELAKE_KEYRING" in told
    assert "Set BASELAKE_KEYRING" in baselake(tmp_path / "two", "init", "--encrypt", status=1).stderr
    assert not (tmp_path / "two" / "catalog.sqlite").exists()
