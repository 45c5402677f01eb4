"""A share, instruments and workers that do as a test says, and a clock that it moves."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog
from baselake.errors import InputError
from baselake.ingest.run_records import RunRecord, record_run, run_records
from baselake.ingest.run_source import (
    Fault,
    RunCheck,
    RunDescription,
    RunOptions,
    RunProgress,
    RunSource,
)
from baselake.ingest.watch import discover
from baselake.ingest.watch.daemon import Daemon
from baselake.ingest.watch.monitor import PrometheusMonitor
from baselake.ingest.watch.processes import Answer, Processes
from baselake.ingest.watch.settings import WatchSettings


@dataclass(slots=True, kw_only=True)
class FakeRun:
    """An instrument's run, as its folder shows it: a `RunSource`."""

    folder: Path
    run_id: str
    digest: str
    platform: str = "ILLUMINA"
    flowcell: str = "FC1"
    cycles: int = 0
    seen: int = 1  # stands for the signature
    ended: bool = False
    aborted: str | None = None
    faults: tuple[Fault, ...] = ()
    bytes_needed: int = 0
    unreadable: str | None = None  # what is wrong with what describes it
    stale: str | None = None  # how looking at it fails
    checks: int = 0

    def describe(self) -> RunDescription:
        return RunDescription(
            run_id=self.run_id,
            platform=self.platform,
            instrument="BLSIM01",
            flowcell=self.flowcell,
            started=None,
            digest=self.digest,
            folder=self.folder.resolve(),
        )

    def progress(self) -> RunProgress:
        if self.stale is not None:
            raise OSError(116, self.stale)
        return RunProgress(
            cycles=self.cycles,
            cycles_expected=10,
            bytes=self.seen,
            signature=str(self.seen),
            ended=self.ended,
            aborted=self.aborted,
        )

    def check(self, allow_missing: object = ()) -> RunCheck:
        del allow_missing
        self.checks += 1
        return RunCheck(faults=self.faults, bytes=1, bytes_needed=self.bytes_needed)

    def sample_sheet(self) -> Path | None:
        path = self.folder / "SampleSheet.csv"
        return path if path.is_file() else None

    def ingest(self, *_: object) -> None:
        raise AssertionError("the daemon leaves that to its workers")

    def missing(self, name: str) -> None:
        """Have a file be missing."""
        self.faults = (Fault(path=self.folder / name, what="the file is missing", missing=True),)


@dataclass(slots=True, kw_only=True)
class Start:
    """A worker that was started."""

    answer: Answer
    folder: Path | None
    sheet: Path | None


@dataclass(slots=True, kw_only=True)
class FakeProcesses(Processes):
    """Workers that end when the test says so."""

    started: list[Start] = field(default_factory=list)
    under_way: dict[Path, Answer] = field(default_factory=dict)
    over: list[Answer] = field(default_factory=list)
    told_to_end: bool = False

    def start(
        self,
        key: Path,
        description: RunDescription,
        folder: Path | None,
        sheet: Path | None,
        settled: tuple[str, str | None],
    ) -> None:
        answer = Answer(
            key=key, description=description, settled=settled, outcome="crashed", sheet_only=folder is None
        )
        self.started.append(Start(answer=answer, folder=folder, sheet=sheet))
        self.running[key] = None  # type: ignore[assignment]
        self.under_way[key] = answer

    def is_running(self, run_id: str) -> bool:
        return any(answer.description.run_id == run_id for answer in self.under_way.values())

    def any_ended(self) -> bool:
        return bool(self.over)

    def ended(self) -> Iterator[Answer]:
        over, self.over = self.over, []
        yield from over

    def end(self) -> None:
        self.told_to_end = True
        for key in list(self.under_way):
            self.finish(key, "stopped")

    def finish(self, key: Path, outcome: str, error: str | None = None, units: int = 0) -> None:
        """Have a worker end."""
        del self.running[key]
        self.over.append(
            replace(self.under_way.pop(key), outcome=outcome, error=error, units=units, reads=10 * units)
        )


@dataclass(slots=True, kw_only=True)
class World:
    """A share, a lake and a daemon between them.

    Attributes:
        now: the daemon's clock.
        lines: what it logged.
    """

    catalog: Catalog
    share: Path
    daemon: Daemon
    processes: FakeProcesses
    monitor: PrometheusMonitor
    runs: dict[Path, FakeRun] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    now: float = 1000.0

    def run(self, name: str = "RUN1", *, run_id: str = "", digest: str = "d" * 64) -> FakeRun:
        """Have an instrument begin a run."""
        folder = self.share / name
        folder.mkdir(parents=True)
        run = FakeRun(folder=folder, run_id=run_id or folder.name, digest=digest)
        self.runs[folder] = run
        return run

    def finished(self, name: str = "RUN1", *, sheet: str | None = None, **how: str) -> FakeRun:
        """A run that is in the lake, as its worker left it."""
        run = self.run(name, **how)
        run.cycles, run.ended = 10, True
        if sheet is not None:
            (run.folder / "SampleSheet.csv").write_text(sheet)
        self.polls(2)
        self.work(run, "complete", units=4)
        return run

    def work(
        self, run: FakeRun, outcome: str, error: str | None = None, units: int = 0, sheet: str | None = None
    ) -> None:
        """Have the run's worker end; what a real one would have set down is set down."""
        start = self.processes.started[-1]
        assert start.answer.description.run_id == run.run_id, "another worker was started last"
        if outcome in ("complete", "quarantined"):
            record_run(self.catalog, run.describe(), outcome, progress=run.progress(), error=error)
            if sheet is not None or start.answer.settled[1] is not None:
                assign(self.catalog, run.run_id, sheet or str(start.answer.settled[1]))
        self.processes.finish(start.answer.key, outcome, error, units)
        self.daemon.poll()

    def polls(self, times: int = 1, seconds: float = 300.0) -> None:
        """Let time pass and the daemon look, some times."""
        for _ in range(times):
            self.now += seconds
            self.daemon.poll()

    def record(self, run_id: str = "RUN1") -> RunRecord:
        return run_records(self.catalog)[run_id]

    def states(self) -> dict[str, str]:
        return {run_id: record.state for run_id, record in run_records(self.catalog).items()}

    def figure(self, name: str, **labels: str) -> float | None:
        return self.monitor.registry.get_sample_value(name, labels)

    def open(self, folder: Path) -> RunSource | None:
        """In place of `open_run`."""
        run = self.runs.get(folder)
        if run is not None and run.unreadable is not None:
            raise InputError(run.unreadable, str(folder / "RunInfo.xml"), "Copy it again")
        return run  # type: ignore[return-value]


def assign(catalog: Catalog, run_id: str, digest: str) -> None:
    """Set down that a run is assigned by a sheet, as `put_assignment` does."""
    with catalog.record() as tx:
        tx.execute("UPDATE runs SET sample_sheet = ? WHERE run_id = ?", [digest, run_id])
        tx.execute(
            "INSERT INTO sample_sheets (run_id, sheet_id, received) VALUES (?, ?, now())", [run_id, digest]
        )


def make_world(catalog: Catalog, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: object) -> World:
    """A world whose daemon looks every 300 s, takes a run at rest for 300 s, and retries after 30 s."""
    share = folder / "share"
    share.mkdir()
    processes = FakeProcesses(lake=catalog.layout.root, options=RunOptions())
    monitor = PrometheusMonitor()
    lines: list[str] = []
    daemon = Daemon(
        catalog=catalog,
        root=share,
        settings=replace(WatchSettings(reserve=0, poll=300.0), **settings),  # type: ignore[arg-type]
        log=lines.append,
        monitor=monitor,
        processes=processes,
    )
    world = World(
        catalog=catalog, share=share, daemon=daemon, processes=processes, monitor=monitor, lines=lines
    )
    daemon.clock = lambda: world.now
    monkeypatch.setattr(discover, "open_run", world.open)
    return world
