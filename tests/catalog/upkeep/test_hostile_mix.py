"""Appenders, erasures, compaction and expiry at once: the lake is what each was told, to the row."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from baselake.catalog.catalog import connect
from baselake.catalog.upkeep.doctor import Repair, examine

from ..conftest import Place
from .lakes import snapshots

_SCRIPT = Path(__file__).with_name("hostile.py")
_ROLES = ("append", "append", "append", "append", "erase", "erase", "compact", "compact", "expire")
_TABLES = ("genotypes", "samples", "lineage")


# So often each must have happened before it ends, however busy the machine is.
_LEAST = {"appends": 20, "erasures": 4, "compacted": 4, "snapshots expired": 4, "files expired": 4}
_PATIENCE = 10


@dataclass(frozen=True)
class Told:
    """What the logs of all say."""

    appended: list[tuple[int, str, int, int]]
    erased: list[tuple[int, str]]
    counts: dict[str, int]


def read_logs(logs: list[Path]) -> Told:
    told = Told([], [], dict.fromkeys((*_LEAST, "changed meanwhile"), 0))
    for log in logs:
        # The last line may be half there.
        for line in log.read_text().split("\n")[:-1] if log.exists() else []:
            match line.split():
                case ["append", snapshot, sample, first, count]:
                    told.appended.append((int(snapshot), sample, int(first), int(count)))
                case ["erase", snapshot, sample]:
                    told.erased.append((int(snapshot), sample))
                case ["compact", done, changed]:
                    told.counts["compacted"] += int(done)
                    told.counts["changed meanwhile"] += int(changed)
                case ["expire", snapshots, files]:
                    told.counts["snapshots expired"] += int(snapshots)
                    told.counts["files expired"] += int(files)
    told.counts.update(appends=len(told.appended), erasures=len(told.erased))
    return told


def enough(told: Told) -> bool:
    return all(told.counts[what] >= least for what, least in _LEAST.items())


def mix(lake: Path, folder: Path, seconds: float) -> Told:
    """Have all roles played at once, for some seconds and until enough has happened."""
    logs = [folder / f"{number}-{role}.log" for number, role in enumerate(_ROLES)]
    stop, most = folder / "stop", _PATIENCE * seconds
    running = [
        subprocess.Popen(
            [sys.executable, _SCRIPT, role, lake, str(number), stop, str(most), logs[number]],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, role in enumerate(_ROLES)
    ]
    began = time.monotonic()
    try:
        while all(process.poll() is None for process in running):
            if time.monotonic() - began >= seconds and enough(read_logs(logs)):
                break
            time.sleep(0.2)
    finally:
        stop.touch()
        errors = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0] * len(running), "\n".join(errors)
    return read_logs(logs)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_hostile_mix_loses_nothing(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For 10 s, or as many as BASELAKE_HOSTILE_SECONDS says, and until each role has done something.

    Nobody else has the lake open: what is in use does not expire.
    """
    told = mix(place.lake, tmp_path, float(os.environ.get("BASELAKE_HOSTILE_SECONDS", "10")))
    assert enough(told), told.counts
    appended, erased = told.appended, told.erased
    left = {
        (sample, first): count
        for snapshot, sample, first, count in appended
        if not any(sample == gone and snapshot < when for when, gone in erased)
    }
    with connect(*place) as fresh:
        scanned = fresh.query(
            "SELECT sample_id, start - start % 1000 AS first, count(DISTINCT start) AS different,"
            " count(variant_id) AS n FROM genotypes GROUP BY ALL"
        ).to_pylist()
        assert {(row["sample_id"], row["first"]): row["n"] for row in scanned} == left
        assert all(row["different"] == row["n"] for row in scanned)
        batches = fresh.query("SELECT sample_id, CAST(family AS INTEGER) AS first FROM samples").to_pylist()
        assert sorted((row["sample_id"], row["first"]) for row in batches) == sorted(left)
        jobs = fresh.query(
            "SELECT operation, count(*) AS n FROM lineage WHERE operation <> 'compact' GROUP BY operation"
        ).to_pylist()
        assert {row["operation"]: row["n"] for row in jobs} == {"call": len(appended), "erase": len(erased)}
        for snapshot in snapshots(fresh):
            for table, column in zip(_TABLES, ("variant_id", "sample_id", "job_id"), strict=True):
                (row,) = fresh.query(
                    f"SELECT count(*) AS counted, (SELECT count({column}) FROM {table} AT (VERSION => {snapshot}))"
                    f" AS scanned FROM {table} AT (VERSION => {snapshot})"
                ).to_pylist()
                assert row["counted"] == row["scanned"], (table, snapshot)
        examine(fresh, repair=Repair())
        assert examine(fresh).findings == []
    with capsys.disabled():
        print(" " + ", ".join(f"{number} {what}" for what, number in told.counts.items()))
