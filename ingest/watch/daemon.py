"""The loop: look at the share, decide what each run needs, have workers do it, say what happens.

What the daemon knows of a run beyond the catalog is gone when it dies, and found out again: which tiles are in the
lake is in the catalog alone, so that a new daemon goes on with the first that is not.
"""

import hashlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Protocol

from baselake.catalog.catalog import Catalog
from baselake.catalog.locks import held_lock
from baselake.errors import BaselakeError
from baselake.ingest.run_records import UNREADABLE, RunRecord, record_run, run_records, summary
from baselake.ingest.run_source import RunCheck, RunDescription, RunProgress, RunSource
from baselake.ingest.watch.discover import Found, find_runs
from baselake.ingest.watch.processes import Answer, Processes
from baselake.ingest.watch.settings import WatchSettings

_DONE = ("complete", "imported")


class Monitor(Protocol):
    """Where the daemon's figures are shown."""

    def polled(self, runs: dict[str, int], waiting: dict[str, int], free: int) -> None:
        """After each look: runs by state in the catalog, runs by what the daemon waits for, free bytes of the lake."""

    def answered(self, outcome: str, units: int, reads: int) -> None:
        """After each worker."""

    def failed(self, kind: str) -> None:
        """After each thing that went wrong: `share`, `folder`, `worker`, `storage`."""


@dataclass(slots=True, kw_only=True)
class Watched:
    """What the daemon remembers of a folder.

    Attributes:
        folder: the run folder.
        signature: of the last look at it.
        since: when it first looked so.
        looks: how many looks in a row saw it so.
        checked: what was found wrong when it looked as `checked_signature`.
        failures: in a row, of the worker or the store.
        crashes: of the worker, in a row.
        not_before: when the next attempt may be made.
        settled: signature and sheet at which the run was last dealt with: until either changes there is nothing to do.
        waiting: what it waits for, for people; empty: nothing.
        told: the last thing that was logged of it, not to be logged again.
    """

    folder: Path
    signature: str = ""
    since: float = 0.0
    looks: int = 0
    checked: RunCheck | None = None
    checked_signature: str = ""
    failures: int = 0
    crashes: int = 0
    not_before: float = 0.0
    settled: tuple[str, str | None] | None = None
    waiting: str = ""
    told: str = ""


@dataclass(slots=True, kw_only=True)
class Daemon:
    """A daemon at work.

    Attributes:
        catalog: the lake.
        root: the watched folder.
        settings: how it waits and retries.
        log: takes one line an event.
        monitor: takes figures.
        processes: the workers.
        clock: seconds that only go forward.
        stop: set when the daemon is to end.
    """

    catalog: Catalog
    root: Path
    settings: WatchSettings
    log: Callable[[str], None]
    monitor: Monitor
    processes: Processes
    clock: Callable[[], float] = time.monotonic
    stop: Event = field(default_factory=Event)
    _watched: dict[Path, Watched] = field(default_factory=dict)
    _share_lost: bool = False

    def poll(self) -> None:
        """Look once, start what can be started, take note of what has ended."""
        self._collect()
        try:
            found = {one.folder: one for one in find_runs(self.root, self.settings.depth)}
        except OSError as error:
            self._lost(error.strerror or str(error))
            return
        records = run_records(self.catalog)
        if not found and self._watched:
            # Not that all runs are gone, but what they lie on: an unmounted share leaves an empty folder.
            self._lost("it is empty all at once")
            return
        if self._share_lost:
            self._share_lost = False
            self.log(f"{self.root}: the share is back")
        for one in found.values():
            watched = self._watched.setdefault(one.folder, Watched(folder=one.folder))
            watched.waiting = ""
            try:
                self._look_at(watched, one, records)
            except OSError as error:
                self.monitor.failed("folder")
                self._tell(watched, f"{one.folder}: cannot be read now ({error.strerror or error})")
            except BaselakeError as error:
                self.monitor.failed("folder")
                self._tell(watched, str(error))
        self._miss_folders(set(found), records)
        self._assign_late_sheets(records)
        self._show(records)

    def idle(self) -> bool:
        """Whether nothing is left to do or to wait for."""
        return not self.processes.running and not any(one.waiting for one in self._watched.values())

    def run(self, *, once: bool) -> None:
        """Poll until stopped; with `once`, until nothing is left to do.

        Raises:
            LakeError: another daemon works on this lake.
        """
        with held_lock(self.catalog.layout.watch_lock, "the lake is watched"):
            self.log(f"watching {self.root}")
            while not self.stop.is_set():
                self.poll()
                if once and self.idle():
                    break
                deadline = self.clock() + self.settings.poll
                while not self.stop.is_set() and self.clock() < deadline and not self.processes.any_ended():
                    self.stop.wait(min(0.2, max(0.0, deadline - self.clock())))
            if self.processes.running:
                self.log("ending: the tiles under way are finished first")
            self.processes.end()
            self._collect()
            self.log("ended")

    # -----------------------------------------------------------------------------------------------------
    # One folder.

    def _look_at(self, watched: Watched, found: Found, records: dict[str, RunRecord]) -> None:
        now = self.clock()
        if found.source is None:
            self._unreadable(watched, found.error or "", records, now)
            return
        description = found.source.describe()
        sheet = self._sheet(found.source, description)
        sheet_digest = _digest(sheet)
        record = records.get(description.run_id)
        if record is not None and record.digest not in (description.digest, UNREADABLE):
            self._duplicate(watched, description, record, records)
            return
        if self.processes.is_running(description.run_id):
            watched.waiting = "worker"
            return
        if record is not None and record.state in _DONE:
            if sheet_digest is None or sheet_digest == record.sample_sheet:
                return
            if watched.settled != ("sheet", sheet_digest):
                self._start(watched, description, sheet, settled=("sheet", sheet_digest), needed=0)
            return
        progress = found.source.progress()
        self._remember(watched, progress, now)
        if watched.settled == (progress.signature, sheet_digest):
            return
        if progress.aborted is not None:
            self._aborted(watched, description, progress, record, sheet_digest)
            return
        watched.waiting = "instrument"
        if (
            record is None
            or record.cycles != progress.cycles
            or record.state not in ("receiving", "ingesting")
        ):
            if record is None:
                self.log(f"{description.run_id}: found in {watched.folder}")
            record_run(self.catalog, description, "receiving", progress=progress)
        self._when_at_rest(watched, found.source, description, progress, sheet, now)

    def _when_at_rest(
        self,
        watched: Watched,
        source: RunSource,
        description: RunDescription,
        progress: RunProgress,
        sheet: Path | None,
        now: float,
    ) -> None:
        rest = now - watched.since
        if watched.looks < 2 or rest < self.settings.settle:
            return
        if watched.checked is None or watched.checked_signature != watched.signature:
            watched.checked, watched.checked_signature = (
                source.check(self.settings.options.allow_missing),
                watched.signature,
            )
        check = watched.checked
        settled = (progress.signature, _digest(sheet))
        if check.whole:
            if not progress.ended and rest < self.settings.unmarked:
                self._tell(
                    watched,
                    f"{description.run_id}: whole, but without an end marker; taken after"
                    f" {self.settings.unmarked:,.0f} s at rest",
                )
                return
            self._start(watched, description, sheet, settled=settled, needed=check.bytes_needed)
            return
        if check.waiting:
            enough = self.settings.patience if progress.ended else self.settings.abandoned
            self._tell(watched, f"{description.run_id}: waits for {summary(check.faults)}")
            if rest < enough:
                return
        # What is sound goes in; what is not is told by the worker, which puts the run in quarantine.
        self._start(watched, description, sheet, settled=settled, needed=check.bytes_needed)

    def _start(
        self,
        watched: Watched,
        description: RunDescription,
        sheet: Path | None,
        *,
        settled: tuple[str, str | None],
        needed: int,
        folder_gone: bool = False,
    ) -> None:
        now = self.clock()
        if now < watched.not_before:
            watched.waiting = "retry"
            return
        if len(self.processes.running) >= self.settings.workers:
            watched.waiting = "worker"
            return
        free = shutil.disk_usage(self.catalog.layout.root).free
        if free < needed + self.settings.reserve:
            watched.waiting = "space"
            self.monitor.failed("storage")
            self._tell(
                watched,
                f"{description.run_id}: waits for space: needs {needed:,} bytes beside the {self.settings.reserve:,}"
                f" kept free, and {self.catalog.layout.root} has {free:,}",
            )
            return
        watched.waiting = "worker"
        self.log(f"{description.run_id}: importing {watched.folder}")
        self.processes.start(
            watched.folder, description, None if folder_gone else watched.folder, sheet, settled
        )

    def _collect(self) -> None:
        for answer in self.processes.ended():
            self._note(answer)

    def _note(self, answer: Answer) -> None:
        watched = self._watched.setdefault(answer.key, Watched(folder=answer.key))
        run_id = answer.description.run_id
        watched.told = ""
        if answer.outcome == "stopped":
            return
        self.monitor.answered(answer.outcome, answer.units, answer.reads)
        if answer.outcome in ("complete", "quarantined"):
            watched.failures = watched.crashes = 0
            watched.settled = answer.settled
            said = f"{run_id}: {answer.outcome}, {answer.units} units and {answer.reads:,} reads imported"
            self.log(f"{said}; {answer.error}" if answer.error else said)
            return
        watched.failures += 1
        watched.crashes = watched.crashes + 1 if answer.outcome == "crashed" else 0
        if answer.outcome == "refused" or watched.crashes >= self.settings.crashes:
            error = answer.error
            if answer.outcome == "crashed":
                error = f"{error}; the last of {watched.crashes} attempts"
            record_run(self.catalog, answer.description, "quarantined", error=error)
            watched.settled = answer.settled
            watched.failures = watched.crashes = 0
            self.monitor.failed("worker")
            self.log(f"{run_id}: quarantined: {error}")
            return
        pause = self.settings.pause(watched.failures) * random.uniform(0.8, 1.2)
        watched.not_before = self.clock() + pause
        watched.waiting = "retry"
        self.monitor.failed("worker" if answer.outcome == "crashed" else "storage")
        self.log(f"{run_id}: failed, next attempt in {pause:,.0f} s: {answer.error}")

    # -----------------------------------------------------------------------------------------------------
    # What goes wrong.

    def _unreadable(self, watched: Watched, error: str, records: dict[str, RunRecord], now: float) -> None:
        """What describes the run cannot be read: it may still be copied."""
        try:
            status = os.stat(watched.folder)
            signature = f"unreadable {status.st_mtime_ns} {error}"
        except FileNotFoundError:
            return
        if signature != watched.signature:
            watched.signature, watched.since, watched.looks = signature, now, 0
        watched.looks += 1
        if watched.settled == (signature, None):
            return
        watched.waiting = "instrument"
        self._tell(watched, error)
        if watched.looks < 2 or now - watched.since < self.settings.settle:
            return
        known = records.get(watched.folder.name)
        if known is None or known.digest == UNREADABLE:
            description = RunDescription(
                run_id=watched.folder.name,
                platform="",
                instrument="",
                flowcell="",
                started=None,
                digest=UNREADABLE,
                folder=watched.folder.resolve(),
            )
            record_run(self.catalog, description, "quarantined", error=error)
        self.monitor.failed("folder")
        self.log(f"{watched.folder.name}: quarantined: {error}")
        watched.settled = (signature, None)
        watched.waiting = ""

    def _duplicate(
        self,
        watched: Watched,
        description: RunDescription,
        first: RunRecord,
        records: dict[str, RunRecord],
    ) -> None:
        name = f"{description.run_id}~{description.digest[:8]}"
        if name not in records:
            record_run(self.catalog, description, "quarantined")
            self.monitor.failed("folder")
            self.log(
                f"{name}: quarantined: {watched.folder} has the name of another run, which is in the lake from"
                f" {first.folder or 'read files'}"
            )

    def _aborted(
        self,
        watched: Watched,
        description: RunDescription,
        progress: RunProgress,
        record: RunRecord | None,
        sheet_digest: str | None,
    ) -> None:
        if record is None or record.state != "aborted" or record.error != progress.aborted:
            record_run(self.catalog, description, "aborted", progress=progress, error=progress.aborted)
            self.log(f"{description.run_id}: aborted by the instrument: {progress.aborted}")
        watched.settled = (progress.signature, sheet_digest)

    def _miss_folders(self, there: set[Path], records: dict[str, RunRecord]) -> None:
        """Runs whose folder went away before they were in the lake."""
        root = self.root.resolve()
        resolved = {folder.resolve() for folder in there}
        for record in records.values():
            folder = Path(record.folder) if record.folder is not None else None
            if folder is None or not folder.is_relative_to(root) or folder in resolved:
                continue
            if record.state not in ("receiving", "ingesting") or self.processes.is_running(record.run_id):
                continue
            description = RunDescription(
                run_id=record.run_id,
                platform=record.platform or "",
                instrument=record.instrument or "",
                flowcell=record.flowcell or "",
                started=None,
                digest=record.digest or "",
                folder=folder,
            )
            record_run(self.catalog, description, "quarantined", error=f"{folder}: the folder is gone")
            self.monitor.failed("folder")
            self.log(f"{record.run_id}: quarantined: {folder} is gone")
        for folder in [folder for folder in self._watched if folder not in there]:
            if not any(folder == key for key in self.processes.running):
                del self._watched[folder]

    def _lost(self, why: str) -> None:
        self.monitor.failed("share")
        if not self._share_lost:
            self.log(
                f"{self.root}: the share is gone ({why}); nothing is changed, looking again until it is back"
            )
        self._share_lost = True

    # -----------------------------------------------------------------------------------------------------
    # Sheets.

    def _sheet(self, source: RunSource, description: RunDescription) -> Path | None:
        return self._given_sheet(description.flowcell, description.run_id) or source.sample_sheet()

    def _given_sheet(self, flowcell: str, run_id: str) -> Path | None:
        if self.settings.sheets is None:
            return None
        for name in (run_id, flowcell):
            path = self.settings.sheets / f"{name}.csv"
            if name and path.is_file():
                return path
        return None

    def _assign_late_sheets(self, records: dict[str, RunRecord]) -> None:
        """Sheets given for runs whose folders are no longer there."""
        here = {one.folder.resolve() for one in self._watched.values()}
        for record in records.values():
            if record.state not in _DONE or record.digest is None or record.folder is None:
                continue
            folder = Path(record.folder)
            if folder in here or self.processes.is_running(record.run_id):
                continue
            sheet = self._given_sheet(record.flowcell or "", record.run_id)
            digest = _digest(sheet)
            if digest is None or digest == record.sample_sheet:
                continue
            watched = self._watched.setdefault(folder, Watched(folder=folder))
            if watched.settled == ("sheet", digest):
                continue
            description = RunDescription(
                run_id=record.run_id,
                platform=record.platform or "",
                instrument=record.instrument or "",
                flowcell=record.flowcell or "",
                started=None,
                digest=record.digest,
                folder=folder,
            )
            self._start(watched, description, sheet, settled=("sheet", digest), needed=0, folder_gone=True)

    # -----------------------------------------------------------------------------------------------------
    # Small things.

    def _remember(self, watched: Watched, progress: RunProgress, now: float) -> None:
        if progress.signature != watched.signature:
            watched.signature, watched.since, watched.looks = progress.signature, now, 0
        watched.looks += 1

    def _tell(self, watched: Watched, text: str) -> None:
        if watched.told != text:
            watched.told = text
            self.log(text)

    def _show(self, records: dict[str, RunRecord]) -> None:
        states: dict[str, int] = {}
        for record in records.values():
            states[record.state] = states.get(record.state, 0) + 1
        waiting: dict[str, int] = {}
        for one in self._watched.values():
            if one.waiting:
                waiting[one.waiting] = waiting.get(one.waiting, 0) + 1
        self.monitor.polled(states, waiting, shutil.disk_usage(self.catalog.layout.root).free)


def _digest(sheet: Path | None) -> str | None:
    if sheet is None:
        return None
    try:
        return hashlib.sha256(sheet.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def stop_on_signals(daemon: Daemon) -> None:
    """SIGTERM and SIGINT end the daemon when its workers have finished their tiles; a second one ends it at once."""

    def first(number: int, frame: object) -> None:
        del number, frame
        daemon.stop.set()
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, signal.SIG_DFL)

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, first)
