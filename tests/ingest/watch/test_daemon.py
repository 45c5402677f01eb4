"""What the daemon makes of a run folder, look by look."""

from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog
from baselake.ingest.run_source import Fault
from tests.ingest.watch.fakes import World, make_world


@pytest.fixture
def world(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(catalog, tmp_path, monkeypatch)


def test_a_run_is_shown_while_it_arrives_and_taken_when_it_rests(world: World) -> None:
    run = world.run()
    for cycles in (1, 4, 10):
        run.cycles = run.seen = cycles
        world.polls()
        record = world.record()
        assert (record.state, record.cycles, record.cycles_expected) == ("receiving", cycles, 10)
    assert world.lines == [f"RUN1: found in {run.folder}"]
    assert (run.checks, world.figure("baselake_watch_waiting_runs", reason="instrument")) == (0, 1)
    run.ended, run.seen = True, 11
    world.polls()
    assert not world.processes.started
    world.polls()
    assert [start.folder for start in world.processes.started] == [run.folder]
    assert world.figure("baselake_watch_waiting_runs", reason="worker") == 1
    world.work(run, "complete", units=4)
    assert world.lines[1:] == [
        f"RUN1: importing {run.folder}",
        "RUN1: complete, 4 units and 40 reads imported",
    ]
    assert world.daemon.idle()
    assert world.figure("baselake_watch_runs", state="complete") == 1
    assert world.figure("baselake_watch_imports_total", outcome="complete") == 1
    assert (world.figure("baselake_watch_units_total"), world.figure("baselake_watch_reads_total")) == (4, 40)


def test_two_looks_are_needed_however_far_apart(world: World) -> None:
    run = world.run()
    run.ended = True
    world.polls(seconds=100_000)
    assert not world.processes.started
    world.polls(seconds=299)
    assert not world.processes.started
    world.polls(seconds=2)
    assert len(world.processes.started) == 1


def test_a_complete_run_is_never_looked_into_again(world: World) -> None:
    run = world.finished()
    run.seen, run.faults, run.aborted = 99, (Fault(path=run.folder, what="x", missing=False),), "RunErrored"
    world.polls(5)
    assert (run.checks, len(world.processes.started), world.states()) == (1, 1, {"RUN1": "complete"})


def test_without_an_end_marker_a_whole_run_waits(world: World) -> None:
    run = world.run()
    world.polls(12)
    assert run.checks == 1
    assert sum("without an end marker; taken after 3,600 s at rest" in line for line in world.lines) == 1
    assert not world.processes.started
    world.polls()
    assert len(world.processes.started) == 1


@pytest.mark.parametrize(("ended", "seconds"), [(True, 6 * 3600), (False, 24 * 3600)])
def test_missing_files_are_waited_for_then_given_up_and_taken_when_they_come(
    world: World, ended: bool, seconds: int
) -> None:
    run = world.run()
    run.ended = ended
    run.missing("s_1_1101.filter")
    world.polls(seconds // 300)
    told = f"RUN1: waits for {run.folder}/s_1_1101.filter: the file is missing"
    assert world.lines.count(told) == 1
    assert (world.processes.started, world.record().state) == ([], "receiving")
    world.polls(2)
    world.work(run, "quarantined", "s_1_1101.filter: the file is missing", units=3)
    assert world.record().error == "s_1_1101.filter: the file is missing"
    assert world.lines[-1].startswith("RUN1: quarantined, 3 units and 30 reads imported; s_1_1101.filter")
    world.polls(3)
    assert len(world.processes.started) == 1
    assert world.daemon.idle()
    run.faults, run.seen, run.ended = (), 2, True
    world.polls()
    assert world.record().state == "receiving"
    world.polls()
    world.work(run, "complete", units=1)
    assert (world.record().state, world.record().error) == ("complete", None)


def test_missing_files_that_come_in_time_are_all_it_waited_for(world: World) -> None:
    run = world.run()
    run.ended = True
    run.missing("s.locs")
    world.polls(3)
    run.faults, run.seen = (), 2
    world.polls(2)
    assert (len(world.processes.started), run.checks) == (1, 2)


def test_a_wrong_file_is_not_waited_for(world: World) -> None:
    run = world.run()
    run.ended = True
    run.faults = (Fault(path=run.folder / "a.cbcl", what="wrong", missing=False, lane=1, tile=1101, cycle=3),)
    world.polls(2)
    assert len(world.processes.started) == 1


def test_an_aborted_run_is_said_to_be_and_left(world: World) -> None:
    run = world.run()
    run.aborted = "RunCompletionStatus.xml says RunErrored"
    world.polls(4)
    assert (world.record().state, world.record().error) == ("aborted", run.aborted)
    assert world.lines == [f"RUN1: aborted by the instrument: {run.aborted}"]
    assert world.daemon.idle()
    run.aborted, run.seen, run.ended = None, 2, True
    world.polls(2)
    assert len(world.processes.started) == 1


def test_a_description_that_cannot_be_read_yet_is_waited_for(world: World) -> None:
    run = world.run("copied", run_id="RUN1")
    run.unreadable = "no element found"
    world.polls()
    assert world.states() == {}
    world.polls(2)
    assert world.states() == {"copied": "quarantined"}
    assert sum("quarantined: " in line for line in world.lines) == 1
    run.unreadable, run.ended = None, True
    world.polls(3)
    assert world.states() == {"RUN1": "receiving"}
    assert len(world.processes.started) == 1


def test_a_description_that_is_damaged_later_takes_nothing_from_the_lake(world: World) -> None:
    run = world.finished()
    arriving = world.run("RUN2", digest="e" * 64)
    world.polls()
    run.unreadable = arriving.unreadable = "no element found"
    world.polls(4)
    assert world.states() == {"RUN1": "complete", "RUN2": "quarantined"}
    assert world.record("RUN2").error == f"{arriving.folder}/RunInfo.xml: no element found. Copy it again"
    arriving.unreadable = None
    arriving.seen = 2
    world.polls()
    assert world.states() == {"RUN1": "complete", "RUN2": "receiving"}


def test_another_run_of_the_same_name_is_put_aside(world: World) -> None:
    first = world.finished()
    other = world.run("other/RUN1", run_id="RUN1", digest="e" * 64)
    other.ended = True
    world.polls(4)
    assert world.states() == {"RUN1": "complete", "RUN1~eeeeeeee": "quarantined"}
    assert str(first.folder) in (world.record("RUN1~eeeeeeee").error or "")
    assert len(world.processes.started) == 1
    assert sum(line.startswith("RUN1~eeeeeeee: quarantined") for line in world.lines) == 1


def test_a_copy_of_a_run_is_the_same_run(world: World) -> None:
    one, two = world.run("a/RUN1", run_id="RUN1"), world.run("b/RUN1", run_id="RUN1")
    one.cycles, two.cycles = 3, 2
    for seen in (1, 2, 3):
        one.seen = two.seen = seen
        world.polls()
        # Told by one of them, not by both in turn.
        assert world.record().cycles == 3
    one.ended = two.ended = True
    world.polls(2)
    assert len(world.processes.started) == 1
    world.work(one, "complete")
    world.polls(3)
    assert (len(world.processes.started), world.states()) == (1, {"RUN1": "complete"})


def test_the_whole_copy_goes_in_where_the_first_is_not(world: World) -> None:
    one = world.run("a/RUN1", run_id="RUN1")
    one.ended = True
    one.faults = (Fault(path=one.folder / "x", what="wrong", missing=False),)
    world.polls(2)
    world.work(one, "quarantined", "wrong")
    two = world.run("b/RUN1", run_id="RUN1")
    two.ended = True
    world.polls(2)
    assert world.processes.started[-1].folder == two.folder
    world.work(two, "complete")
    assert world.states() == {"RUN1": "complete"}


def test_a_folder_that_goes_away_is_missed_and_may_come_back(world: World) -> None:
    run, other = world.run(), world.run("RUN2", digest="e" * 64)
    other.aborted = "StoppedByUser"
    world.polls()
    run.folder.rename(world.share.parent / "away")
    world.polls(2)
    assert world.record().error == f"{run.folder}: the folder is gone"
    assert sum("is gone" in line for line in world.lines) == 1
    (world.share.parent / "away").rename(run.folder)
    run.seen, run.ended = 2, True
    world.polls(3)
    assert len(world.processes.started) == 1


def test_a_folder_that_is_moved_is_not_missed(world: World) -> None:
    run = world.run()
    world.polls()
    moved = world.share / "archive" / "RUN1"
    moved.parent.mkdir()
    run.folder.rename(moved)
    del world.runs[run.folder]
    run.folder = moved
    world.runs[moved] = run
    world.polls()
    assert world.record().state == "receiving"
    run.ended = True
    world.polls(2)
    assert world.processes.started[0].folder == moved


def test_the_last_run_that_is_taken_off_a_share_is_no_lost_share(world: World) -> None:
    run = world.finished()
    run.folder.rmdir()
    world.polls(2)
    assert not any("the share is gone" in line for line in world.lines)
    assert world.states() == {"RUN1": "complete"}


@pytest.mark.parametrize("how", ["absent", "unmounted"])
def test_a_share_that_is_lost_changes_nothing(world: World, how: str) -> None:
    run = world.run()
    world.polls()
    before = world.monitor.polled_at
    away = world.share.rename(world.share.parent / "away")
    if how == "unmounted":
        world.share.mkdir()
    world.polls(3)
    assert world.states() == {"RUN1": "receiving"}
    assert sum("the share is gone" in line for line in world.lines) == 1
    assert world.figure("baselake_watch_failures_total", kind="share") == 3
    assert world.monitor.polled_at == before
    if how == "unmounted":
        world.share.rmdir()
    away.rename(world.share)
    run.ended, run.seen = True, 2
    world.polls(2)
    assert f"{world.share}: the share is back" in world.lines
    assert len(world.processes.started) == 1


def test_a_daemon_that_starts_before_its_share_is_mounted_changes_nothing(
    world: World, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run()
    world.polls()
    world.share.rename(tmp_path / "away")
    again = make_world(catalog, tmp_path, monkeypatch)
    again.polls(2)
    assert again.states() == {"RUN1": "receiving"}
    assert "it is empty, and runs are known to be arriving in it" in again.lines[0]


def test_a_folder_that_cannot_be_looked_at_stops_no_other(world: World) -> None:
    run, other = world.run(), world.run("RUN2", digest="e" * 64)
    run.stale, other.ended = "Stale file handle", True
    world.polls(2)
    assert [start.folder for start in world.processes.started] == [other.folder]
    assert world.lines.count(f"{run.folder}: cannot be read now (Stale file handle)") == 1
    assert world.figure("baselake_watch_failures_total", kind="folder") == 1


def test_runs_in_a_folder_that_cannot_be_listed_are_not_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    world.run("novaseq/RUN1", run_id="RUN1")
    world.polls()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "novaseq":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    world.polls(4)
    assert world.states() == {"RUN1": "receiving"}
    assert sum("cannot be read now (Permission denied)" in line for line in world.lines) == 1
    monkeypatch.setattr(os, "scandir", scandir)
    world.polls()
    assert world.states() == {"RUN1": "receiving"}


def test_what_the_disk_cannot_hold_is_not_begun(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    world = make_world(catalog, tmp_path, monkeypatch, reserve=1000)
    run = world.run()
    run.ended, run.bytes_needed = True, 1 << 62
    usage = shutil.disk_usage(tmp_path)
    free = iter(range(1 << 40, 1 << 41))  # others write there too
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=next(free)))
    world.polls(4)
    assert not world.processes.started
    assert sum("waits for space: needs 4,611,686,018,427,387,904 bytes" in line for line in world.lines) == 1
    assert world.figure("baselake_watch_waiting_runs", reason="space") == 1
    assert not world.daemon.idle()
    run.bytes_needed = 1
    world.daemon._watched[run.folder].checked = None
    world.polls()
    assert len(world.processes.started) == 1


def test_what_is_there_already_needs_no_space_again(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    world = make_world(catalog, tmp_path, monkeypatch)
    run = world.run()
    run.ended, run.bytes_needed = True, shutil.disk_usage(tmp_path).total + (1 << 20)
    world.polls(2)
    assert not world.processes.started
    half = catalog.layout.data / "main" / "read_records" / "run_id=RUN1" / "lane=1" / "x.parquet"
    half.parent.mkdir(parents=True)
    with open(half, "wb") as file:
        file.truncate(run.bytes_needed - 1)
    world.polls()
    assert len(world.processes.started) == 1


def test_pauses_grow_to_a_longest_and_never_end(world: World) -> None:
    run = world.run()
    run.ended = True
    world.polls(2)
    for n in range(12):
        world.work(run, "retry", "disk full")
        pause = min(30 * 2**n, 3600)
        world.polls(seconds=0.8 * pause - 1)
        assert (len(world.processes.started), world.record().state) == (n + 1, "receiving")
        world.polls(seconds=0.4 * pause + 2)
        assert len(world.processes.started) == n + 2
    assert world.figure("baselake_watch_failures_total", kind="storage") == 12
    world.work(run, "complete")
    assert world.states() == {"RUN1": "complete"}


def test_a_run_that_kills_its_workers_is_put_aside(world: World) -> None:
    run = world.run()
    run.ended = True
    world.polls(2)
    for _ in range(4):
        world.work(run, "crashed", "the worker was killed by signal 9")
        world.polls(seconds=4000)
    world.work(run, "crashed", "the worker was killed by signal 9")
    error = "the worker was killed by signal 9; the last of 5 attempts"
    assert (world.record().state, world.record().error) == ("quarantined", error)
    world.polls(3)
    assert len(world.processes.started) == 5
    assert world.daemon.idle()


def test_crashes_count_only_in_a_row(world: World) -> None:
    run = world.run()
    run.ended = True
    world.polls(2)
    for outcome in ("crashed", "crashed", "retry") * 3:
        world.work(run, outcome, "x")
        world.polls(seconds=5000)
    assert world.record().state == "receiving"


def test_a_worker_that_somebody_else_ends_is_a_failure(world: World) -> None:
    run = world.run()
    run.ended = True
    world.polls(2)
    world.work(run, "stopped", "the worker was told to end")
    assert "failed, next attempt in" in world.lines[-1]
    assert len(world.processes.started) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_no_more_workers_than_allowed(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    world = make_world(catalog, tmp_path, monkeypatch, workers=workers)
    runs = [world.run(f"RUN{n}", digest=str(n) * 64) for n in range(3)]
    for run in runs:
        run.ended = True
    world.polls(4)
    assert len(world.processes.started) == workers
    assert world.figure("baselake_watch_waiting_runs", reason="worker") == 3
    world.processes.finish(runs[0].folder, "retry", "x")
    world.polls()
    assert len(world.processes.started) == workers + 1


def test_a_new_daemon_finds_out_what_the_old_one_knew(
    world: World, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, bad = world.finished(), world.run("RUN2", digest="e" * 64)
    bad.ended, bad.faults = True, (Fault(path=bad.folder / "x", what="wrong", missing=False),)
    world.polls(2)
    world.work(bad, "quarantined", "wrong")
    world.share.rename(tmp_path / "kept")
    again = make_world(catalog, tmp_path, monkeypatch)
    again.share.rmdir()
    (tmp_path / "kept").rename(again.share)
    again.runs = world.runs
    again.polls()
    # Nothing came meanwhile: it is in quarantine while it is looked at again.
    assert again.states() == {"RUN1": "complete", "RUN2": "quarantined"}
    again.polls(2)
    assert [start.folder for start in again.processes.started] == [bad.folder]
    assert done.checks == 1


def test_a_lake_that_fails_is_tried_again_and_no_answer_is_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from baselake.errors import StorageError
    from baselake.ingest.watch import daemon

    run = world.run()
    run.ended = True
    world.polls(2)
    right = daemon.record_run

    def full(*_: object, **__: object) -> str:
        raise StorageError("no space left", "lake", "Free some")

    monkeypatch.setattr(daemon, "record_run", full)
    world.processes.finish(run.folder, "refused", "no such sheet")
    world.polls(3)
    assert sum("the lake fails, trying again: lake: no space left" in line for line in world.lines) == 1
    assert not world.daemon.idle()
    monkeypatch.setattr(daemon, "record_run", right)
    world.polls()
    assert (world.record().state, world.record().error) == ("quarantined", "no such sheet")
    assert world.figure("baselake_watch_imports_total", outcome="refused") == 1
    assert len(world.processes.started) == 1


def test_no_figure_is_left_out_before_anything_happens(world: World) -> None:
    world.polls()
    for state in ("receiving", "ingesting", "complete", "quarantined", "aborted", "imported"):
        assert world.figure("baselake_watch_runs", state=state) == 0
    for reason in ("instrument", "worker", "retry", "space", "sheet"):
        assert world.figure("baselake_watch_waiting_runs", reason=reason) == 0
    for kind in ("share", "folder", "worker", "storage"):
        assert world.figure("baselake_watch_failures_total", kind=kind) == 0
    assert (world.figure("baselake_watch_free_bytes") or 0) > 0
