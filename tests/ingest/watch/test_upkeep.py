"""The daemon's rounds of upkeep."""

import errno
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from baselake.catalog.catalog import Catalog
from baselake.ingest.watch.mover import Mover
from baselake.ingest.watch.upkeep import Upkeep


def finish(upkeep: Upkeep, log: list[str]) -> None:
    """Poll at the same moment until the round has ended."""
    before = len(log)
    while len(log) == before:
        upkeep.poll(0.0, log.append)
        time.sleep(0.02)


def test_a_round_compacts_and_expires_and_comes_again_in_time(catalog: Catalog, lake: Path) -> None:
    for number in range(8):
        with catalog.record() as tx:
            tx.insert("samples", pa.table({"sample_id": [f"S{number}"]}))
    catalog.lease()
    log: list[str] = []
    upkeep = Upkeep(lake=lake, interval=60.0, older_than=timedelta(0))
    finish(upkeep, log)
    (line,) = log
    assert line.startswith("upkeep: 8 files became 1; ")
    assert "snapshots expired, 0 files removed" in line
    assert catalog.query("SELECT count(*) AS n FROM samples")["n"][0].as_py() == 8
    upkeep.poll(59.0, log.append)
    assert upkeep._process is None
    upkeep.poll(60.0, log.append)
    assert upkeep._process is not None
    upkeep.end()
    assert upkeep._process is None


def test_a_round_that_fails_says_why(tmp_path: Path) -> None:
    log: list[str] = []
    upkeep = Upkeep(lake=tmp_path / "nowhere", interval=60.0)
    finish(upkeep, log)
    assert "no lake here" in log[0]


def test_where_no_process_can_be_started_it_is_said_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []

    def refuse(*arguments: object, **named: object) -> None:
        del named
        started.append(arguments)
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    log: list[str] = []
    upkeep = Upkeep(lake=tmp_path, interval=60.0)
    mover = Mover(lake=tmp_path, interval=60.0)
    for now in (0.0, 1.0, 60.0):
        upkeep.poll(now, log.append)
        mover.look(now, log.append)
    assert len(started) == 4
    assert [line for line in log if "cannot be started (Resource temporarily unavailable)" in line] == log
    upkeep.end()
    mover.end()
