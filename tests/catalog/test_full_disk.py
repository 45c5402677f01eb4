"""A disk that becomes full at any moment of a job leaves all of it or nothing, and an error that says so."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from baselake.catalog.catalog import connect
from baselake.catalog.upkeep.doctor import examine
from baselake.config import Config

from .tiers.lakes import write_run

MOMENTS = int(os.environ.get("BASELAKE_FULL_MOMENTS", "6"))
LAST = 7  # moments that are always looked at: the catalog's own commit, and what makes it durable


def run_job(lake: Path, folder: Path, shim: Path, full_from: int) -> tuple[str, int]:
    """Have the job done; what it said, and how often it took space."""
    (folder / "sheet.csv").write_text("[Data]\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.catalog.full_from_process",
            lake,
            folder / "full",
            folder / "sheet.csv",
            "R",
        ],
        env=os.environ
        | {
            "LD_PRELOAD": str(shim),
            "BASELAKE_FULL_BELOW": f"{lake}/",
            "BASELAKE_FULL_WHILE": str(folder / "full"),
            "BASELAKE_FULL_FROM": str(full_from),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said, taken = done.stdout.splitlines()
    return said, int(taken)


@pytest.mark.timeout(600)
def test_all_or_nothing_at_every_moment(tmp_path: Path, lake: Path, config: Config, shim: Path) -> None:
    said, total = run_job(Path(shutil.copytree(lake, tmp_path / "whole")), tmp_path, shim, 1_000_000)
    assert said == "committed"
    assert total > MOMENTS + LAST
    outcomes = []
    spread = {round(i * (total - 1) / (MOMENTS - 1)) for i in range(MOMENTS)}
    for moment in sorted(spread | set(range(total - LAST, total))):
        place = Path(shutil.copytree(lake, tmp_path / f"at-{moment}"))
        said, _ = run_job(place, tmp_path, shim, moment)
        with connect(place, config) as catalog:
            write_run(catalog, "next")  # clears up
            runs = set(catalog.query("SELECT run_id FROM runs")["run_id"].to_pylist())
            assert (runs == {"R", "next"}) is (said == "committed"), (moment, said)
            assert runs >= {"next"}
            for table in ("read_records", "objects", "lineage"):
                where = (
                    "inputs IS NOT NULL AND parameters['run'] = 'R'" if table == "lineage" else "run_id = 'R'"
                )
                count = catalog.query(f"SELECT count(*) AS n FROM {table} WHERE {where}")["n"][0].as_py()
                assert (count > 0) is ("R" in runs), (moment, table)
            assert examine(catalog).findings == [], moment
            assert not list(catalog.layout.jobs.iterdir())
            assert not list(catalog.layout.scratch.glob("2*"))
        outcomes.append(said)
        shutil.rmtree(place)
    failed = [said for said in outcomes if said != "committed"]
    assert len(failed) > MOMENTS // 2
    for said in failed:
        assert "No space left" in said or "full" in said or "disk" in said, said
