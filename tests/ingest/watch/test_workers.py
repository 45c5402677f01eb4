"""Worker processes: what they are told, how they end, and what the daemon hears of it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog
from baselake.errors import LakeError
from baselake.ingest.run_source import RunDescription, RunOptions, RunResult
from baselake.ingest.watch import processes as module
from baselake.ingest.watch import worker
from baselake.ingest.watch.processes import Answer, Processes
from tests.ingest.watch.fakes import make_world

DESCRIPTION = RunDescription(
    run_id="R",
    platform="ILLUMINA",
    instrument="I",
    flowcell="F",
    started=None,
    digest="d",
    folder=Path("/share/R"),
)
OPTIONS = RunOptions(
    sample_sheet=Path("/sheets/R.csv"),
    allow_missing=frozenset({"positions", "tiles"}),
    include_filtered=True,
    no_calls="picard",
    sample="NA1",
    reference="ref",
    keep_signal=False,
)


@pytest.mark.parametrize("options", [OPTIONS, RunOptions()], ids=["all", "none"])
def test_a_worker_imports_as_it_is_told(
    lake: Path, monkeypatch: pytest.MonkeyPatch, options: RunOptions
) -> None:
    told = []

    class Source:
        def ingest(self, catalog: Catalog, options: RunOptions, progress: object) -> RunResult:
            told.append((catalog.layout.root, options))
            return RunResult(run_id="R", units=3, units_imported=2, reads=7, faults=())

    monkeypatch.setattr(worker, "open_run", lambda folder: Source() if folder == Path("/share/R") else None)
    task = json.loads(worker.arguments(lake, "R", Path("/share/R"), options))
    assert worker._work(task) == {"outcome": "complete", "units": 2, "reads": 7, "error": None}
    assert told == [(lake, options)]


def wait(processes: Processes) -> Answer:
    """The answer of the only worker."""
    (one,) = processes.running.values()
    one.process.wait()
    (answer,) = processes.ended()
    assert not processes.running
    return answer


def test_what_is_not_there_is_tried_again_and_what_is_wrong_is_not(lake: Path, tmp_path: Path) -> None:
    folder = tmp_path / "R"
    outcomes = {}
    for name, where, given in (
        ("the folder is gone", lake, folder),
        ("the lake is gone", tmp_path / "no lake", folder),
        ("the sheet is for no run", lake, None),
    ):
        processes = Processes(lake=where, options=RunOptions())
        processes.start(folder, DESCRIPTION, given, None, ("s", None))
        assert processes.is_running("R")
        answer = wait(processes)
        outcomes[name] = answer.outcome, (answer.error or "").splitlines()[0]
        assert (answer.key, answer.settled, answer.sheet_only) == (folder, ("s", None), given is None)
    assert outcomes == {
        "the folder is gone": ("retry", f"{folder}: the run folder is gone. See that the share is there"),
        "the lake is gone": ("retry", f"{tmp_path}/no lake: no lake here. See that the lake's disk is there"),
        "the sheet is for no run": (
            "refused",
            "R: no run of that name from a run folder. Run: baselake runs",
        ),
    }


@pytest.mark.parametrize(
    ("number", "outcome", "error"),
    [
        (signal.SIGKILL, "crashed", "the worker was killed by signal 9"),
        (signal.SIGTERM, "stopped", "the worker was told to end"),
    ],
    ids=["SIGKILL", "SIGTERM"],
)
def test_how_a_worker_was_ended_is_told(
    lake: Path, tmp_path: Path, number: signal.Signals, outcome: str, error: str
) -> None:
    processes = Processes(lake=lake, options=RunOptions())
    processes.start(tmp_path, DESCRIPTION, tmp_path, None, ("s", None))
    process = processes.running[tmp_path].process
    assert os.getpgid(process.pid) == process.pid  # a signal to the daemon's group does not reach it
    process.send_signal(number)
    answer = wait(processes)
    assert (answer.outcome, answer.error) == (outcome, error)


def test_a_worker_whose_daemon_is_gone_does_nothing(lake: Path, tmp_path: Path) -> None:
    task = json.loads(worker.arguments(lake, "R", tmp_path, RunOptions())) | {"parent": 1}
    done = subprocess.run(
        [sys.executable, "-m", "baselake.ingest.watch.worker", json.dumps(task)], capture_output=True
    )
    assert (done.returncode, done.stdout) == (1, b"")


def put_worker(processes: Processes, key: Path, code: str) -> "subprocess.Popen[bytes]":
    """Start a script in a worker's place; it says when it is ready."""
    output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the answer
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=output, stderr=subprocess.PIPE, start_new_session=True
    )
    answer = Answer(key=key, description=DESCRIPTION, settled=("s", None), outcome="crashed")
    processes.running[key] = module._Worker(process=process, output=output, answer=answer)
    assert process.stderr is not None
    assert process.stderr.read(5) == b"ready"
    process.stderr.close()
    return process


FINISHES = """
import os, signal, sys, time
def end(*_):
    time.sleep(0.2)
    open(os.environ["TILE"], "w").write("committed")
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
os.write(2, b"ready")
time.sleep(60)
"""


def test_stopping_waits_for_the_tile_under_way(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TILE", str(tmp_path / "tile"))
    world = make_world(catalog, tmp_path, monkeypatch)
    processes = Processes(lake=catalog.layout.root, options=RunOptions())
    world.daemon.processes = processes
    put_worker(processes, tmp_path / "R", FINISHES)
    world.daemon.stop.set()
    world.daemon.run(once=False)
    assert (tmp_path / "tile").read_text() == "committed"
    assert world.lines == [
        f"watching {world.share}",
        "ending: the tiles under way are finished first",
        "ended",
    ]


@pytest.mark.parametrize(
    ("code", "error"),
    [("", "the worker ended with status 0"), ("raise SystemExit(3)", "the worker ended with status 3")],
    ids=["says nothing", "fails"],
)
def test_a_worker_that_says_nothing_crashed(lake: Path, tmp_path: Path, code: str, error: str) -> None:
    processes = Processes(lake=lake, options=RunOptions())
    put_worker(processes, tmp_path, f"import os; os.write(2, b'ready')\n{code}")
    answer = wait(processes)
    assert (answer.outcome, answer.error) == ("crashed", error)


def test_a_second_daemon_on_a_lake_is_refused(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = make_world(catalog, tmp_path / "a", monkeypatch).daemon
    other = make_world(catalog, tmp_path / "b", monkeypatch).daemon
    refused: list[str] = []

    def while_it_runs() -> None:
        with pytest.raises(LakeError, match="the lake is watched by another process"):
            other.run(once=True)
        refused.append("yes")

    monkeypatch.setattr(type(one), "poll", meanwhile(while_it_runs))
    one.run(once=True)
    assert refused == ["yes"]
    monkeypatch.undo()
    other.run(once=True)


def meanwhile(step: Callable[[], None]) -> Callable[[object], None]:
    return lambda _: step()
