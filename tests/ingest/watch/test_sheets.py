"""Sample sheets that come late, change, are wrong, or lie in a folder of their own."""

import os
import time
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog
from tests.ingest.watch.fakes import World, assign, make_world

OLD = time.time() - 86_400


@pytest.fixture
def world(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    (tmp_path / "sheets").mkdir()
    return make_world(catalog, tmp_path, monkeypatch, sheets=tmp_path / "sheets")


def save(path: Path, text: str, after: float = 60.0) -> None:
    """Write a sheet, some time after the run was assigned."""
    path.write_text(text)
    os.utime(path, (time.time() + after,) * 2)


def test_a_late_sheet_is_assigned_when_two_looks_saw_it_the_same(world: World) -> None:
    run = world.finished()
    sheet = run.folder / "SampleSheet.csv"
    save(sheet, "half")
    world.polls()
    save(sheet, "whole")
    world.polls()
    assert (len(world.processes.started), world.daemon.idle()) == (1, False)
    world.polls()
    start = world.processes.started[-1]
    assert (len(world.processes.started), start.folder, start.sheet) == (2, run.folder, sheet)
    world.work(run, "complete")
    world.polls(3)
    assert (len(world.processes.started), run.checks) == (2, 1)


def test_the_same_sheet_does_nothing(world: World) -> None:
    run = world.finished(sheet="S1")
    save(run.folder / "SampleSheet.csv", "S1")
    world.polls(3)
    assert len(world.processes.started) == 1
    assert world.daemon.idle()


def test_a_bad_sheet_puts_a_complete_run_aside_until_it_is_corrected(world: World) -> None:
    run = world.finished(sheet="S1")
    save(run.folder / "SampleSheet.csv", "bad")
    world.polls(2)
    world.work(run, "refused", "SampleSheet.csv: no such index")
    assert (world.record().state, world.record().error) == ("quarantined", "SampleSheet.csv: no such index")
    world.polls(5)
    assert (len(world.processes.started), world.states()) == (2, {"RUN1": "quarantined"})
    save(run.folder / "SampleSheet.csv", "good")
    world.polls(3)
    assert len(world.processes.started) == 3
    world.work(run, "complete")
    assert world.states() == {"RUN1": "complete"}


def test_a_run_with_a_bad_sheet_from_the_start(world: World) -> None:
    run = world.run()
    run.ended = True
    sheet = run.folder / "SampleSheet.csv"
    sheet.write_text("bad")
    world.polls(2)
    world.work(run, "refused", "SampleSheet.csv: bad")
    world.polls(3)
    assert (len(world.processes.started), world.states()) == (1, {"RUN1": "quarantined"})
    sheet.write_text("good")
    run.seen = 2
    world.polls(3)
    world.work(run, "complete")
    assert world.states() == {"RUN1": "complete"}


def test_a_given_sheet_goes_before_the_run_folders_own(world: World, tmp_path: Path) -> None:
    run = world.run()
    (run.folder / "SampleSheet.csv").write_text("own")
    run.ended = True
    world.polls(2)
    # The run folder chooses among its own: it knows which of them was replaced.
    assert world.processes.started[-1].sheet is None
    world.work(run, "complete")
    save(tmp_path / "sheets" / "FC1.csv", "by flow cell")
    world.polls(2)
    assert world.processes.started[-1].sheet == tmp_path / "sheets" / "FC1.csv"
    world.work(run, "complete")
    save(tmp_path / "sheets" / "RUN1.csv", "by run", after=120)
    world.polls(2)
    assert world.processes.started[-1].sheet == tmp_path / "sheets" / "RUN1.csv"
    world.work(run, "complete")
    assert len(world.processes.started) == 3


def test_a_given_sheet_that_is_taken_away_takes_nothing_back(world: World, tmp_path: Path) -> None:
    run = world.finished(sheet="own")
    os.utime(run.folder / "SampleSheet.csv", (OLD, OLD))
    given = tmp_path / "sheets" / "RUN1.csv"
    save(given, "corrected")
    world.polls(2)
    world.work(run, "complete")
    given.unlink()
    world.polls(4)
    assert len(world.processes.started) == 2
    assert sum("is not taken: the run was assigned by another sheet since" in x for x in world.lines) == 1
    assert world.daemon.idle()


def test_a_correction_from_the_command_line_stands(world: World) -> None:
    run = world.finished(sheet="S1")
    os.utime(run.folder / "SampleSheet.csv", (OLD, OLD))
    assign(world.catalog, "RUN1", "of another sheet")
    world.polls(4)
    assert len(world.processes.started) == 1
    save(run.folder / "SampleSheet.csv", "S1")  # saved again: the latest word
    world.polls(2)
    assert len(world.processes.started) == 2


def test_a_sheet_that_keeps_its_old_time_in_the_copy_is_late_all_the_same(world: World) -> None:
    run = world.finished(sheet="S1")
    time.sleep(0.01)
    sheet = run.folder / "SampleSheet.csv"
    sheet.write_text("S2")
    os.utime(sheet, (OLD, OLD))
    world.polls(2)
    assert len(world.processes.started) == 2


def test_a_sheet_for_a_run_whose_folder_is_gone(world: World, tmp_path: Path) -> None:
    run = world.finished()
    run.folder.rmdir()
    del world.runs[run.folder]
    world.run("RUN2", digest="e" * 64).aborted = "RunErrored"
    world.polls(2)
    given = tmp_path / "sheets" / "FC1.csv"
    save(given, "bad")
    world.polls(2)
    start = world.processes.started[-1]
    assert (len(world.processes.started), start.folder, start.sheet) == (2, None, given)
    world.work(run, "refused", "FC1.csv: bad")
    # The run is as it was, and says what became of the sheet.
    assert (world.record().state, world.record().error) == ("complete", "FC1.csv: bad")
    assert "RUN1: the sheet is refused: FC1.csv: bad" in world.lines
    world.polls(4)
    assert len(world.processes.started) == 2
    save(given, "good")
    world.polls(2)
    assert len(world.processes.started) == 3
    world.work(run, "retry", "disk full")
    world.polls(seconds=10)
    assert len(world.processes.started) == 3
    world.polls(seconds=100)
    world.work(run, "complete")
    assert (world.record().state, world.record().error) == ("complete", None)
    world.polls(3)
    assert len(world.processes.started) == 4
    assert world.daemon.idle()


def test_platforms_that_assign_themselves_take_no_late_sheet(world: World) -> None:
    run = world.run()
    run.platform, run.ended = "ONT", True
    world.polls(2)
    world.processes.finish(run.folder, "complete")
    from baselake.ingest.run_records import record_run

    record_run(world.catalog, run.describe(), "complete", progress=run.progress())
    save(run.folder / "SampleSheet.csv", "barcodes")
    world.polls(4)
    assert len(world.processes.started) == 1
    assert world.daemon.idle()
