"""Snapshots go when nobody can want them; files when nobody can be reading them."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from baselake.catalog.backends import backend_of
from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.metadata import metadata_change
from baselake.catalog.upkeep.compact import compact
from baselake.catalog.upkeep.doctor import examine
from baselake.catalog.upkeep.expire import expire
from baselake.errors import LakeError, NotFoundError

from ..conftest import Place
from ..writer_process import write_alleles
from .lakes import fill, rows, snapshots, state

NOW = timedelta(0)


@pytest.mark.mostly_files
def test_what_is_left_shows_what_it_showed_and_the_rest_is_gone(opened: Catalog, tmp_path: Path) -> None:
    fill(opened, tmp_path / "from")
    compact(opened, min_files=2)
    before = state(opened)
    opened.lease()
    kept = sorted(before)[1]
    assert expire(opened, NOW, dry_run=True).files_scheduled == 0
    assert len(snapshots(opened)) > 10
    done = expire(opened, NOW, pinned=lambda _: {kept}, grace=NOW)
    assert snapshots(opened) == [kept, max(before)]
    now = rows(opened, "objects")[0]["path"]
    (old,) = (path for path in opened.layout.objects.rglob("*-sheet.csv") if not str(path).endswith(str(now)))
    assert done.files_scheduled - 1 == done.files_removed > 0  # an object stays for a day at least
    assert old.exists()
    after = {
        number: {table: rows(opened, table, number) for table in before[kept]}
        for number in (kept, max(before))
    }
    assert after == {number: before[number] for number in after}
    # What was needed by none is off the disk: the doctor would call it an orphan.
    assert examine(opened).findings == []
    with metadata_change(opened, "a time") as cursor:
        cursor.execute(
            "UPDATE __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion"
            " SET schedule_start = '2020-01-01 00:00:00+00'"
        )
    assert expire(opened, NOW, pinned=lambda _: {kept}, grace=NOW).files_removed == 1
    assert not old.exists()
    assert examine(opened).findings == []


@pytest.mark.mostly_files
def test_files_stay_for_the_grace(opened: Catalog) -> None:
    for start in range(3):
        write_alleles(opened, [start])
    compact(opened, min_files=2)
    opened.lease()
    done = expire(opened, NOW, grace=timedelta(hours=1))
    assert done.files_scheduled > 0
    assert done.files_removed == 0
    assert examine(opened).findings == []
    assert expire(opened, NOW, grace=NOW).files_removed == done.files_scheduled
    assert examine(opened).findings == []


def test_a_snapshot_that_was_followed_lately_stays(opened: Catalog) -> None:
    write_alleles(opened, [1])
    opened.lease()
    assert expire(opened, timedelta(hours=1)).snapshots == []


READ = """
import sys, time
from pathlib import Path
from baselake.catalog.catalog import connect

with connect(Path(sys.argv[1]), read_only=True, at=int(sys.argv[2]) or None) as catalog:
    print("open", flush=True)
    sys.stdin.readline()
    print(catalog.query("SELECT count(*) AS n FROM variants")["n"][0].as_py(), flush=True)
"""


def reader(lake: Path, snapshot: int) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", READ, str(lake), str(snapshot)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def test_what_a_process_reads_stays_until_it_ends_however_it_ends(opened: Catalog, place: Place) -> None:
    write_alleles(opened, [1])
    at = opened.newest_snapshot()
    pinned = reader(place.lake, at)
    write_alleles(opened, [2])
    following = reader(place.lake, 0)
    write_alleles(opened, [3])
    write_alleles(opened, [4])
    opened.lease()
    expire(opened, NOW, grace=NOW)
    assert snapshots(opened) == [at, at + 1, at + 2, at + 3]
    assert pinned.communicate("\n")[0] == "1\n"
    os.kill(following.pid, signal.SIGKILL)
    following.communicate()
    expire(opened, NOW, grace=NOW)
    assert snapshots(opened) == [at + 3]
    with pytest.raises(NotFoundError, match=f"snapshot {at} has expired"):
        connect(*place, at=at)
    with backend_of(opened.layout, opened.config).uses() as uses:
        assert [use.snapshot for use in uses] == [at + 3]


def test_one_maintains_at_a_time(opened: Catalog, place: Place) -> None:
    from dataclasses import replace

    with (
        backend_of(opened.layout, opened.config).maintenance_lock(1),
        connect(place.lake, replace(place.config, commit_timeout_seconds=1)) as other,
    ):
        with pytest.raises(LakeError, match="the lake is maintained by another process"):
            expire(other, NOW)
        write_alleles(other, [1])  # which is no maintenance


def test_a_reader_who_cannot_say_that_he_reads_is_told(
    lake: Path, monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    from baselake.catalog.backends.sqlite import Sqlite

    def refuse(*_: object) -> None:
        raise PermissionError(30, "Read-only file system")

    if place.config.catalog:
        return
    monkeypatch.setattr(Sqlite, "lease", refuse)
    with pytest.warns(UserWarning, match="snapshots it needs may be expired"), connect(*place) as catalog:
        assert catalog.newest_snapshot() > 0
