"""Appenders, erasures, compaction and expiry at once: the lake is what each was told, to the row."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.upkeep.doctor import Repair, examine

from ..conftest import Place
from .lakes import snapshots

_SCRIPT = Path(__file__).with_name("hostile.py")
_ROLES = ("append", "append", "append", "append", "erase", "erase", "compact", "compact", "expire")
_TABLES = ("genotypes", "samples", "lineage")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_hostile_mix_loses_nothing(
    opened: Catalog, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For 20 s, or as many as BASELAKE_HOSTILE_SECONDS says."""
    seconds = float(os.environ.get("BASELAKE_HOSTILE_SECONDS", "20"))
    logs = [tmp_path / f"{number}-{role}.log" for number, role in enumerate(_ROLES)]
    running = [
        subprocess.Popen(
            [sys.executable, _SCRIPT, role, place.lake, str(number), str(seconds), logs[number]],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, role in enumerate(_ROLES)
    ]
    errors = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0] * len(running), "\n".join(errors)

    appended: list[tuple[int, str, int, int]] = []
    erased: list[tuple[int, str]] = []
    others: dict[str, list[int]] = {"compact": [0, 0], "expire": [0, 0]}
    for log in logs:
        for line in log.read_text().splitlines():
            match line.split():
                case ["append", snapshot, sample, first, count]:
                    appended.append((int(snapshot), sample, int(first), int(count)))
                case ["erase", snapshot, sample]:
                    erased.append((int(snapshot), sample))
                case [what, one, two]:
                    others[what] = [others[what][0] + int(one), others[what][1] + int(two)]
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
    assert appended
    assert erased
    with capsys.disabled():
        print(
            f" {len(appended)} appends, {len(erased)} erasures, files compacted/changed {others['compact']},"
            f" snapshots/files expired {others['expire']}"
        )
