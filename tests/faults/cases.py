"""What may happen to a run: each case is a generator of what has to come true before it goes on.

It puts a run on the share, does to it, to the daemon or to the disk what its name says, and returns how the run must
stand in the end.
"""

import hashlib
import os
import re
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from baselake.demo.run_folder import Kind
from tests.faults.world import (
    KINDS,
    SAMPLES,
    SHEET,
    Arrival,
    Outcome,
    Run,
    Steps,
    Until,
    World,
    in_lake,
    made_run,
)
from tests.ingest.illumina.run_folders import (
    sheet_of,
)
from tests.ingest.platforms import run_folders as platforms

Case = Callable[[World, Run], Steps]

MARKERS = ("RTAComplete.txt", "CopyComplete.txt")
# What each platform's folder in tests/ingest/platforms must give, by sample.
PLATFORMS: dict[str, dict[str | None, int]] = {
    "nanopore": {"HG002": 6, "PAA12345_barcode02": 3, None: 3},
    "pacbio": {"Mother": 2, "Child": 2, None: 2},
    "ultima": {"S1": 2, "S-2": 2, None: 2},
    "element": {"S1": 6, None: 4},
    "mgi": {f"{platforms.FLOWCELL}_23": 8, "HG002": 8, None: 8},
}


# ---------------------------------------------------------------------------------------------------------
# How a run comes onto the share.


def arrives(world: World, run: Run, folder: str | None = None) -> Arrival:
    """In one of the ways below."""
    yield from world.dice.choice((moved, written, copied))(world, run, folder or run.name)


def moved(world: World, run: Run, folder: str) -> Arrival:
    """All at once, under a hidden name before."""
    for path, data in run.files.items():
        world.share.put(f".{folder}/{path}", data)
    world.share.rename(f".{folder}", folder)
    yield Until("", lambda: True)


def written(world: World, run: Run, folder: str) -> Arrival:
    """Cycle by cycle, as by the instrument."""
    for number, (path, data) in enumerate(run.files.items()):
        world.share.put(f"{folder}/{path}", data)
        if number % 6 == 5:
            yield Until("", lambda: True)


def copied(world: World, run: Run, folder: str) -> Arrival:
    """In no order, end markers early, and the half of a file before the rest of it."""
    paths = list(run.files)
    world.dice.shuffle(paths)
    for number, path in enumerate(paths):
        data = run.files[path]
        if number % 11 == 10:
            world.share.put(f"{folder}/{path}", data[: len(data) // 2])
            yield Until("", lambda: True)
        world.share.put(f"{folder}/{path}", data)


# ---------------------------------------------------------------------------------------------------------
# Runs without fault, and faults.


def good(world: World, run: Run) -> Steps:
    yield from arrives(world, run)
    yield world.stands(run.name, "complete")
    return [in_lake(run)]


def platform(name: str) -> Case:
    """A run of another instrument."""

    def good_folder(world: World, run: Run) -> Steps:
        folder = world.folder / name
        platforms.FOLDERS[name](folder)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
        shutil.rmtree(folder)
        before = set(world.runs())
        yield from written(world, replace(run, files=files), f"share-of-{name}")
        own = {"nanopore": platforms.ONT_RUN, "pacbio": platforms.MOVIE, "ultima": platforms.ULTIMA_RUN}
        own |= {"element": "20250603_AV240405_Run-A", "mgi": platforms.FLOWCELL}
        assert own[name] not in before
        yield world.stands(own[name], "complete")
        return [Outcome(run=own[name], counts=PLATFORMS[name])]

    good_folder.__name__ = name
    return good_folder


def worker_killed(world: World, run: Run) -> Steps:
    yield from arrives(world, run)
    for _ in range(3):
        yield world.under_way(run.name)
        worker = world.worker(run.name)
        if worker is not None:
            os.kill(worker, signal.SIGKILL)
            world.kills += 1
        yield world.later(world.dice.uniform(0, 0.5))
    yield world.stands(run.name, "complete")
    return [in_lake(run)]


def daemon_killed(world: World, run: Run) -> Steps:
    yield from arrives(world, run)
    yield world.under_way(run.name)
    yield world.mounted()
    world.stop(signal.SIGKILL)
    world.start()
    yield world.stands(run.name, "complete")
    return [in_lake(run)]


def daemon_stopped(world: World, run: Run) -> Steps:
    yield from arrives(world, run)
    yield world.under_way(run.name)
    yield world.mounted()
    assert world.stop(signal.SIGTERM) == 0, world.log[-2000:]
    world.start()
    yield world.stands(run.name, "complete")
    return [in_lake(run)]


def disk_full(world: World, run: Run) -> Steps:
    yield from arrives(world, run)
    yield world.under_way(run.name)
    yield Until("the disk to have space", lambda: not world.full.exists())
    since = len(world.log)
    world.full.touch()
    # One of the two has something to write soon: a worker, or the daemon that sets down how runs stand.
    yield Until(
        "a failure for want of space, or nothing left to write",
        lambda: "space" in world.log[since:] or world.is_complete(run.name),
    )
    yield world.later(world.dice.uniform(0, 1.5))
    world.full.unlink()
    yield world.stands(run.name, "complete")
    return [in_lake(run)]


def late_sheet(world: World, run: Run) -> Steps:
    yield from arrives(world, run.without(SHEET))
    yield world.stands(run.name, "complete")
    world.share.put(f"{run.name}/{SHEET}", run.files[SHEET])
    yield world.has_sheet(run.name, run.files[SHEET])
    return [in_lake(run)]


def corrected_sheet(world: World, run: Run) -> Steps:
    yield from arrives(world, run)
    yield world.has_sheet(run.name, run.files[SHEET])
    swapped = [replace(one, name=other.name) for one, other in zip(SAMPLES, SAMPLES[::-1], strict=True)]
    text = sheet_of(swapped).encode()
    world.share.put(f"{run.name}/{SHEET}", text)
    yield world.has_sheet(run.name, text)
    return [in_lake(run, samples=swapped)]


def malformed_sheet(world: World, run: Run) -> Steps:
    bad = run.files[SHEET].replace(b"Sample_ID", b"Sampel")
    yield from arrives(world, run.with_file(SHEET, bad))
    yield world.stands(run.name, "quarantined", SHEET)
    world.share.put(f"{run.name}/{SHEET}", run.files[SHEET])
    yield world.has_sheet(run.name, run.files[SHEET])
    return [in_lake(run)]


def late_malformed_sheet(world: World, run: Run) -> Steps:
    yield from arrives(world, run)
    yield world.has_sheet(run.name, run.files[SHEET])
    world.share.put(f"{run.name}/{SHEET}", run.files[SHEET].replace(b"Sample_ID", b"Sampel"))
    yield world.logged(f"{run.name}: .*{SHEET}")
    world.share.put(f"{run.name}/{SHEET}", run.files[SHEET])
    yield world.has_sheet(run.name, run.files[SHEET])
    return [in_lake(run)]


def colliding_sheet(world: World, run: Run) -> Steps:
    other = replace(SAMPLES[0], name="NA4", index1="T" + SAMPLES[0].index1[1:])
    yield from arrives(world, run.with_file(SHEET, sheet_of([*SAMPLES, other]).encode()))
    yield world.stands(run.name, "quarantined", SHEET)
    return [in_lake(run, state="quarantined", error="NA1.*NA4|NA4.*NA1", tiles=())]


def touched(world: World, run: Run) -> Steps:
    yield from arrives(world, run)
    for _ in range(3):
        for path in world.dice.sample(sorted(run.files), 9):
            world.share.touch(f"{run.name}/{path}")
        yield world.later(0.4)
    yield world.stands(run.name, "complete")
    for path in run.files:
        world.share.touch(f"{run.name}/{path}")
    yield world.later(1.5)
    return [in_lake(run)]


def same_name(world: World, run: Run) -> Steps:
    yield from arrives(world, run)
    yield world.stands(run.name, "complete")
    flowcell = f"<Flowcell>{run.flowcell}</Flowcell>".encode()
    info = run.files["RunInfo.xml"].replace(flowcell, b"<Flowcell>AHOTHERXX</Flowcell>")
    assert info != run.files["RunInfo.xml"]
    yield from arrives(world, run.with_file("RunInfo.xml", info), f"{run.name}_again")
    other = f"{run.name}~{hashlib.sha256(info).hexdigest()[:8]}"
    yield world.stands(other, "quarantined")
    return [in_lake(run), Outcome(run=other, state="quarantined", error="another run of this name")]


def same_run_twice(world: World, run: Run) -> Steps:
    yield from arrives(world, run)
    yield from arrives(world, run, f"copy_of_{run.name}")
    yield world.stands(run.name, "complete")
    yield world.later(1.5)
    return [in_lake(run)]


def corrupt_tile(world: World, run: Run) -> Steps:
    """A byte of a compressed tile is another: only decompression tells."""
    path = run.file(r"C5\.1/s_1_2101\.|C5\.1/L001_2\.cbcl|L001/0005\.bcl\.bgzf$")
    data = bytearray(run.files[path])
    data[-20 if run.kind != "bgzf" else len(data) // 2] ^= 0x55
    yield from arrives(world, run.with_file(path, bytes(data)))
    yield world.stands(run.name, "quarantined", re.escape(Path(path).name))
    # A block of BGZF is of both tiles of the lane.
    bad = {(1, 1101), (1, 2101)} if run.kind == "bgzf" else {(1, 2101)}
    where = r"\(lane 1, tile \d101, cycle 5\)"
    sound = [tile for tile in run.tiles if (tile.lane, tile.tile) not in bad]
    return [in_lake(run, state="quarantined", error=f"{re.escape(path)} {where}", tiles=sound)]


def mended(world: World, run: Run) -> Steps:
    """As above, and then the file is copied once more."""
    (outcome,) = yield from corrupt_tile(world, run)
    path = run.file(r"C5\.1/s_1_2101\.|C5\.1/L001_2\.cbcl|L001/0005\.bcl\.bgzf$")
    yield world.later(0.5)
    world.share.put(f"{outcome.run}/{path}", run.files[path])
    yield world.stands(run.name, "complete")
    return [in_lake(run)]


def _incomplete(world: World, run: Run, there: Run, error: str) -> Steps:
    """Files are missing: what is sound goes in when they have been waited for."""
    yield from arrives(world, there)
    yield world.stands(run.name, "quarantined")
    sound = [tile for tile in run.tiles if (tile.lane, tile.tile) != (2, 2101)]
    return [in_lake(run, state="quarantined", error=error, tiles=sound)]


def short_file(world: World, run: Run) -> Steps:
    path = run.file(r"C9\.1/s_2_2101\.|C9\.1/L002_2\.cbcl")
    there = run.with_file(path, run.files[path][:-9])
    return (yield from _incomplete(world, run, there, rf"{re.escape(path)} \(lane 2, tile 2101, cycle 9\)"))


def missing_cycle(world: World, run: Run) -> Steps:
    path = run.file(r"C11\.1/s_2_2101\.|C11\.1/L002_2\.cbcl")
    return (yield from _incomplete(world, run, run.without(path), r"C11\.1.*cycle 11"))


def missing_tile(world: World, run: Run) -> Steps:
    return (
        yield from _incomplete(
            world, run, run.without("s_2_2101."), r"lane 2, tile 2101.*nothing of the tile"
        )
    )


def late_file(world: World, run: Run) -> Steps:
    path = run.file(r"C11\.1/s_2_2101\.|C11\.1/L002_2\.cbcl")
    yield from _incomplete(world, run, run.without(path), "")
    world.share.put(f"{run.name}/{path}", run.files[path])
    yield world.stands(run.name, "complete")
    return [in_lake(run)]


def malformed_run_info(world: World, run: Run) -> Steps:
    bad = run.files["RunInfo.xml"][:-60]
    yield from arrives(world, run.with_file("RunInfo.xml", bad))
    yield world.stands(run.name, "quarantined", "RunInfo.xml")
    return [Outcome(run=run.name, state="quarantined", error=f"{run.name}/RunInfo.xml")]


def mended_run_info(world: World, run: Run) -> Steps:
    bad = run.files["RunInfo.xml"][:-60]
    yield from arrives(world, run.with_file("RunInfo.xml", bad), "folder_of_another_name")
    yield world.stands("folder_of_another_name", "quarantined", "RunInfo.xml")
    world.share.put("folder_of_another_name/RunInfo.xml", run.files["RunInfo.xml"])
    yield world.stands(run.name, "complete")
    return [in_lake(run)]


def deleted(world: World, run: Run) -> Steps:
    yield from written(world, run.first_half(), run.name)
    yield world.stands(run.name, "receiving")
    world.share.remove(run.name)
    yield world.stands(run.name, "quarantined", "gone")
    return [in_lake(run, state="quarantined", error=f"{run.name}: the folder is gone", tiles=())]


def renamed(world: World, run: Run) -> Steps:
    yield from written(world, run.first_half(), run.name)
    yield world.stands(run.name, "receiving")
    world.share.rename(run.name, f"{run.name}_renamed")
    yield from written(world, run, f"{run.name}_renamed")
    yield world.stands(run.name, "complete")
    return [in_lake(run)]


def unmounted(world: World, run: Run) -> Steps:
    yield from written(world, run.first_half(), run.name)
    yield world.stands(run.name, "receiving")
    yield world.mounted()
    world.share.unmount()
    yield world.misses_the_share()
    yield world.later(1)
    world.share.mount()
    yield from written(world, run, run.name)
    yield world.stands(run.name, "complete")
    return [in_lake(run)]


def aborted(world: World, run: Run) -> Steps:
    yield from written(world, run.first_half(), run.name)
    world.share.put(
        f"{run.name}/RunCompletionStatus.xml", b"<RunCompletionStatus>RunErrored</RunCompletionStatus>"
    )
    yield world.stands(run.name, "aborted", "RunErrored")
    return [in_lake(run, state="aborted", error="RunCompletionStatus.xml says RunErrored", tiles=())]


def unmarked(world: World, run: Run) -> Steps:
    yield from arrives(world, run.without(*MARKERS))
    yield world.stands(run.name, "complete")
    return [in_lake(run)]


def cut_short(world: World, run: Run) -> Steps:
    """The instrument lost its power: no end marker, half of the cycles."""
    yield from written(world, run.first_half(), run.name)
    yield world.stands(run.name, "quarantined")
    return [in_lake(run, state="quarantined", error=r"tile \d101\): the file is missing", tiles=())]


FAULTS: tuple[tuple[Case, Kind], ...] = (
    *((worker_killed, kind) for kind in KINDS[1:]),
    *((daemon_killed, kind) for kind in KINDS[:3]),
    (daemon_stopped, "bcl"),
    *((disk_full, kind) for kind in KINDS[1:]),
    (late_sheet, "cbcl"),
    (corrected_sheet, "bcl"),
    (malformed_sheet, "bgzf"),
    (late_malformed_sheet, "bcl.gz"),
    (colliding_sheet, "bcl"),
    (touched, "cbcl"),
    (same_name, "cbcl"),
    (same_run_twice, "bcl"),
    (corrupt_tile, "bcl.gz"),
    (corrupt_tile, "bgzf"),
    (corrupt_tile, "cbcl"),
    (mended, "cbcl"),
    (short_file, "bcl"),
    (short_file, "cbcl"),
    (missing_cycle, "bcl.gz"),
    (missing_tile, "bcl"),
    (late_file, "bcl"),
    (malformed_run_info, "bcl"),
    (mended_run_info, "bcl"),
    (deleted, "bcl"),
    (renamed, "cbcl"),
    (unmounted, "bcl.gz"),
    (unmounted, "bgzf"),
    (aborted, "bcl"),
    (unmarked, "bgzf"),
    (cut_short, "bcl.gz"),
)


def cases_of(world: World, chosen: Sequence[tuple[Case, Kind]], seed: int) -> dict[str, Steps]:
    """Cases by name, each of a run of its own."""
    return {
        f"{fault.__name__} {kind} {number}": fault(world, made_run(world.folder, number, kind, seed))
        for number, (fault, kind) in enumerate(chosen, 1)
    }
