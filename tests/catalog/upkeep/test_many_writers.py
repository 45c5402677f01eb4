"""Writers of many processes, some killed in the middle: nothing lost, nothing twice, nothing half."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.upkeep.doctor import Repair, examine

from ..conftest import Place

_SCRIPT = Path(__file__).with_name("many_writers.py")


def commit_together(opened: Catalog, tmp_path: Path, *, writers: int, commits: int, kills: int) -> float:
    """Run them and compare the lake with what each was told; commits per second."""
    logs = tmp_path / "logs"
    logs.mkdir()
    arguments = [opened.layout.root, writers, commits, kills, 7, logs]
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, _SCRIPT, *map(str, arguments)], check=False, capture_output=True, text=True
    )
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{kills} killed, 0 failed\n"
    wanted: dict[str, int] = {}
    told: set[str] = set()
    for log in logs.iterdir():
        for line in log.read_text().splitlines():
            word, run, *rows = line.split()
            if word == "try":
                assert run not in wanted
                wanted[run] = int(rows[0])
            else:
                told.add(run)
    assert len(wanted) == writers * commits
    assert len(wanted) - kills <= len(told) < len(wanted)
    there = {
        row["run_id"]: (row["reads"], row["runs"], row["jobs"])
        for row in opened.query(
            "SELECT run_id, (SELECT count(*) FROM read_records AS r WHERE r.run_id = u.run_id) AS reads,"
            " count(*) AS runs, (SELECT count(*) FROM lineage WHERE parameters['run'] = u.run_id) AS jobs"
            " FROM runs AS u GROUP BY run_id"
        ).to_pylist()
    }
    # What was told is there once and whole; what nobody was told is there once and whole, or not at all.
    assert told <= set(there)
    assert there == {run: (wanted[run], 1, 1) for run in there}
    reads = opened.query("SELECT count(*) AS counted, count(name) AS scanned FROM read_records").to_pylist()[
        0
    ]
    assert reads["counted"] == reads["scanned"] == sum(wanted[run] for run in there)
    jobs = opened.query("SELECT count(*) AS n FROM lineage")["n"][0].as_py()
    assert jobs == len(there)
    # The last to be killed may have left something to the next writer.
    examine(opened, repair=Repair())
    assert examine(opened).findings == []
    return writers * commits / seconds


def test_a_few_writers(opened: Catalog, tmp_path: Path) -> None:
    commit_together(opened, tmp_path, writers=3, commits=5, kills=2)


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_as_many_as_a_site_has(
    opened: Catalog, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """8 processes on PostgreSQL and 4 on SQLite, 16 and 8 kills; 50 transactions each, or BASELAKE_WRITER_COMMITS."""
    writers, kills = (8, 16) if place.config.catalog else (4, 8)
    commits = int(os.environ.get("BASELAKE_WRITER_COMMITS", "50"))
    rate = commit_together(opened, tmp_path, writers=writers, commits=commits, kills=kills)
    with capsys.disabled():
        print(
            f" {writers} writers on {'PostgreSQL' if place.config.catalog else 'SQLite'}: {rate:.1f} commits/s"
        )
