"""The daemon beside everything that goes wrong: each good run is in the lake once, each bad one says why.

`faults/cases.py` has the faults. `play` runs some of them at a time against one real daemon, so that each meets the
consequences of the others; what they return must be in the lake in the end, and nothing else.
"""

import random
import re
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from baselake.api import Lake
from baselake.catalog.catalog import connect
from baselake.config import Config
from baselake.demo.run_folder import Kind
from tests.faults.cases import (
    FAULTS,
    PLATFORMS,
    Case,
    cases_of,
    corrupt_tile,
    daemon_killed,
    disk_full,
    good,
    platform,
    worker_killed,
)
from tests.faults.world import KINDS, PATIENCE, READS, Outcome, Share, Steps, Until, World
from tests.ingest.illumina.run_folders import (
    FLOWCELL,
    Row,
    expected_reads,
    leftovers,
)

# Beside others on a busy machine it takes many times what it takes alone.
pytestmark = pytest.mark.timeout(4 * PATIENCE)

TOGETHER = 10  # cases under way at once


# All tables that importing writes, without the columns that tell when a row was last looked at.
TABLES = {
    "runs": "updated",
    "run_faults": "seen",
    "run_tiles": "",
    "read_groups": "",
    "sample_sheets": "",
    "lane_layouts": "",
    "barcode_assignments": "",
    "source_files": "",
    "samples": "",
    "objects": "",
}


@contextmanager
def watched(folder: Path, lake: Path, config: Config, shim: Path, seed: int) -> Iterator[World]:
    """A daemon at work; however the test ends, it is ended."""
    (folder / "share").mkdir()
    with connect(lake, config, read_only=True) as catalog:
        world = World(
            share=Share(folder / "share"),
            lake=Lake(catalog),
            folder=folder,
            shim=shim,
            dice=random.Random(seed),
        )
        world.start()
        try:
            yield world
        finally:
            assert world.process is not None
            if world.process.poll() is None:
                world.process.kill()
                world.process.wait()


def play(world: World, cases: Mapping[str, Steps]) -> dict[str, list[Outcome]]:
    """Let all cases happen, some at a time; what each of them must have led to."""
    started = time.monotonic()
    ahead = list(cases.items())
    under_way: dict[str, tuple[Steps, Until, float]] = {}
    outcomes: dict[str, list[Outcome]] = {}
    while ahead or under_way:
        while ahead and len(under_way) < TOGETHER:
            name, steps = ahead.pop(0)
            under_way[name] = steps, Until("", lambda: True), time.monotonic()
        for name, (steps, until, since) in list(under_way.items()):
            if until.true():
                try:
                    under_way[name] = steps, next(steps), time.monotonic()
                except StopIteration as end:
                    outcomes[name] = end.value
                    del under_way[name]
                    states = ", ".join(outcome.state for outcome in end.value)
                    print(
                        f"{time.monotonic() - started:6.1f} s  {len(outcomes)}/{len(cases)}  {name}: {states}"
                    )
            elif time.monotonic() - since > PATIENCE:
                others = "".join(
                    f"\n{other} waits for {one.what}" for other, (_, one, _) in under_way.items()
                )
                pytest.fail(
                    f"{name} waited in vain for {until.what}{others}\n{world.folder}/log ends:\n{world.log[-3000:]}"
                )
        world.supervise()
        time.sleep(0.02)
    return outcomes


def check(world: World, outcomes: Mapping[str, Sequence[Outcome]]) -> None:
    """Each run stands as it must, with the reads it must have, and no run is there that must not."""
    expected = {outcome.run: (case, outcome) for case, of_case in outcomes.items() for outcome in of_case}
    rows = world.lake.sql("SELECT run_id, state, error FROM runs").to_pylist()
    assert sorted(row["run_id"] for row in rows) == sorted(expected), "runs in the lake"
    wrong = []
    for row in rows:
        case, outcome = expected[row["run_id"]]
        found = row["state"], row["error"]
        fits = re.search(outcome.error, row["error"] or "") if outcome.error else row["error"] is None
        if row["state"] != outcome.state or not fits:
            wrong.append(f"{case}: {row['run_id']} is {found}, not {(outcome.state, outcome.error)}")
        wrong += [f"{case}: {row['run_id']}: {what}" for what in _wrong_reads(world.lake, outcome)]
    assert wrong == [], "\n".join(wrong)


def _wrong_reads(lake: Lake, outcome: Outcome) -> Iterator[str]:
    if outcome.counts is not None:
        rows = lake.sql(
            f"SELECT sample_id, count(*) AS n FROM reads WHERE run_id = '{outcome.run}' GROUP BY 1"
        ).to_pylist()
        if (found := {row["sample_id"]: row["n"] for row in rows}) != outcome.counts:
            yield f"reads by sample are {found}, not {outcome.counts}"
        return
    tiles = lake.sql(
        f"SELECT lane, tile FROM run_tiles WHERE run_id = '{outcome.run}' ORDER BY ALL"
    ).to_pylist()
    places = [(row["lane"], row["tile"]) for row in tiles]
    if places != [(tile.lane, tile.tile) for tile in outcome.tiles]:
        yield f"its tiles are {places}"
    table = lake.sql(f"SELECT {', '.join(Row._fields)} FROM reads WHERE run_id = '{outcome.run}'")
    stored = sorted(Row(*row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True))
    rows_made, _ = expected_reads(outcome.tiles, READS, outcome.samples)
    wanted = sorted(row._replace(name=row.name.replace(FLOWCELL, outcome.flowcell)) for row in rows_made)
    if len(stored) != len(wanted):
        yield f"{len(stored)} reads, not {len(wanted)}"
    elif stored != wanted:
        first = next((one, other) for one, other in zip(stored, wanted, strict=True) if one != other)
        yield f"reads differ, first {first[0]} and not {first[1]}"


def check_files(world: World) -> None:
    """Every file of the lake is registered, every registered one is there, and nothing is left of dead jobs."""
    assert leftovers(world.lake) == set()
    root = world.lake.catalog.layout.root
    registered = world.lake.sql(
        "SELECT path FROM __ducklake_metadata_lake.ducklake_data_file"
        " UNION ALL SELECT path FROM __ducklake_metadata_lake.ducklake_delete_file"
    )["path"].to_pylist()
    there = {path.name for path in (root / "data").rglob("*.parquet")}
    assert {Path(path).name for path in registered} - there == set(), "registered and not there"
    kept = set(world.lake.sql("SELECT DISTINCT path FROM objects")["path"].to_pylist())
    # A sheet that was corrected is no longer in the table, but earlier snapshots show it.
    ever = set(world.lake.sql("SELECT DISTINCT unnest(outputs) AS path FROM lineage")["path"].to_pylist())
    objects = {str(path.relative_to(root)) for path in (root / "objects").rglob("*") if path.is_file()}
    assert kept - objects == set(), "in the table and not there"
    assert objects - ever == set(), "there, and of no job that committed"


def contents(lake: Lake) -> dict[str, object]:
    """All that a further look at the share must not change."""
    found: dict[str, object] = {}
    for table, leave_out in TABLES.items():
        columns = f"* EXCLUDE ({leave_out})" if leave_out else "*"
        found[table] = sorted(map(repr, lake.sql(f"SELECT {columns} FROM {table}").to_pylist()))
    found["files"] = sorted(set(lake.sql("SELECT filename FROM stored_reads")["filename"].to_pylist()))
    return found


def play_and_check(world: World, cases: Mapping[str, Steps]) -> None:
    """The whole story: all cases, the daemon's end, and one look more."""
    outcomes = play(world, cases)
    assert world.stop(signal.SIGTERM) == 0, world.log[-2000:]
    check(world, outcomes)
    check_files(world)
    world.share.check()
    before = contents(world.lake)
    assert world.start("--once").wait(timeout=PATIENCE) == 0, world.log[-2000:]
    after = contents(world.lake)
    for table in before:
        assert after[table] == before[table], f"{table} changed at a further look"
    check_files(world)
    world.share.check()


@pytest.mark.exhaustive
def test_every_good_run_is_in_once_and_every_bad_one_says_why(
    tmp_path: Path, lake: Path, config: Config, shim: Path
) -> None:
    seed = 20260131
    chosen = [
        *FAULTS,
        *((good, kind) for kind in KINDS * 2),
        *((platform(name), "bcl") for name in PLATFORMS),
    ]
    random.Random(seed).shuffle(chosen)
    with watched(tmp_path, lake, config, shim, seed) as world:
        play_and_check(world, cases_of(world, chosen, seed))
        assert world.kills >= 4, "workers were not there to be killed"


def test_a_few_faults_at_once(tmp_path: Path, lake: Path, config: Config, shim: Path) -> None:
    chosen: list[tuple[Case, Kind]] = [
        (worker_killed, "bcl.gz"),
        (daemon_killed, "bgzf"),
        (disk_full, "bcl"),
        (corrupt_tile, "cbcl"),
    ]
    with watched(tmp_path, lake, config, shim, 7) as world:
        play_and_check(world, cases_of(world, chosen, 7))
