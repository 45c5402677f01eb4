"""The loop: look at the share, decide what each run needs, have workers do it, say what happens.

What the daemon knows of a run beyond the catalog is gone when it dies, and found out again: which tiles are in the
lake is in the catalog alone, so that a new daemon goes on with the first that is not.
"""

import math
import os
import random
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

import duckdb

from baselake.catalog.catalog import Catalog
from baselake.catalog.locks import held_lock
from baselake.errors import BaselakeError, LakeError, StorageError
from baselake.ingest.run_records import (
    UNREADABLE,
    RunRecord,
    described,
    find_run,
    record_run,
    run_records,
    summary,
)
from baselake.ingest.run_source import RunDescription, RunProgress, RunSource
from baselake.ingest.watch.discover import Found, find_runs
from baselake.ingest.watch.mover import Mover
from baselake.ingest.watch.processes import Answer, Processes
from baselake.ingest.watch.settings import WatchSettings
from baselake.ingest.watch.sheets import digest_of, given_sheet, is_news
from baselake.ingest.watch.upkeep import Upkeep
from baselake.ingest.watch.watched import Monitor, Stamp, Watched, stamps
from baselake.lake.schema import TABLES

_DONE = ("complete", "imported")
_UNFINISHED = ("receiving", "ingesting")
_ASSIGNED = "ILLUMINA"  # platform whose runs are assigned by a sheet apart from their import


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
        upkeep: of the lake; None: nobody's business here.
        mover: who moves files between tiers meanwhile.
        clock: seconds that only go forward.
        stop: set when the daemon is to end.
    """

    catalog: Catalog
    root: Path
    settings: WatchSettings
    log: Callable[[str], None]
    monitor: Monitor
    processes: Processes
    upkeep: Upkeep | None = None
    mover: Mover | None = None
    clock: Callable[[], float] = time.monotonic
    stop: Event = field(default_factory=Event)
    _watched: dict[Path, Watched] = field(default_factory=dict)
    _known: dict[Path, Found] = field(default_factory=dict)
    _answers: list[Answer] = field(default_factory=list)
    _root_seen: tuple[int, int] | None = None
    _share_lost: bool = False
    _lake_error: str = ""

    def poll(self) -> None:
        """Look once, start what can be started, take note of what has ended."""
        self._unless_lake_fails(self._poll)
        if self.mover is not None:
            self.mover.look(self.clock(), self.log)

    def _poll(self) -> None:
        self.catalog.lease()  # for what was before the last look may expire
        self._collect()
        records = run_records(self.catalog)
        try:
            found = list(find_runs(self.root, self.settings.depth, self._known))
            self._refuse_emptied(found, records)
        except OSError as error:
            self._lost(error.strerror or str(error))
            return
        if self._share_lost:
            self._share_lost = False
            self.log(f"{self.root}: the share is back")
        self._known = {one.folder: one for one in found}
        here: set[str] = set()
        look = {one.folder: self._watched.setdefault(one.folder, Watched(folder=one.folder)) for one in found}
        # Workers go to who came first, whatever its name.
        for one in sorted(found, key=lambda one: look[one.folder].queued):
            watched = look[one.folder]
            watched.waiting, watched.gone = "", False
            try:
                if one.source is not None:
                    here.add(one.source.describe().run_id)
                    self._look_at(watched, one.source, records)
                elif one.listed:
                    self._unreadable(watched, one, records)
                else:
                    self._fault(watched, one.error or "")
            except (LakeError, StorageError):
                raise  # of the lake, and so of all runs
            except BaselakeError as error:
                self._fault(watched, str(error))
            except OSError as error:
                if Path(error.filename or "").is_relative_to(self.catalog.layout.root):
                    raise
                where = error.filename or one.folder
                self._fault(watched, f"{where}: cannot be read now ({error.strerror or error})")
        self._miss_folders(found, here, records)
        self._assign_late_sheets(found, here, records)
        self._show(records)

    def _unless_lake_fails(self, step: Callable[[], None]) -> None:
        """Take a step that is taken again, from the start, where the lake's disk is full or gone."""
        try:
            step()
        except (BaselakeError, OSError, duckdb.Error) as error:
            self.monitor.failed("storage")
            if str(error) != self._lake_error:
                self.log(f"{self.catalog.layout.root}: the lake fails, trying again: {error}")
            self._lake_error = str(error)
            return
        if self._lake_error:
            self.log(f"{self.catalog.layout.root}: the lake is well again")
        self._lake_error = ""

    def idle(self) -> bool:
        """Whether nothing is left to do or to wait for."""
        waiting = any(one.waiting for one in self._watched.values())
        return not (self.processes.running or self._answers or self._lake_error or waiting)

    def run(self, *, once: bool) -> None:
        """Poll until stopped; with `once`, until nothing is left to do.

        Raises:
            LakeError: another daemon works on this lake.
        """
        with held_lock(self.catalog.layout.watch_lock, "the lake is watched"):
            self.log(f"watching {self.root}")
            while not self.stop.is_set():
                self.poll()
                if self.upkeep is not None:
                    self.upkeep.poll(self.clock(), self.log)
                if once and self.idle():
                    break
                deadline = self.clock() + self.settings.poll
                while not self.stop.is_set() and self.clock() < deadline and not self.processes.any_ended():
                    self.stop.wait(min(0.2, max(0.0, deadline - self.clock())))
            if self.processes.running:
                self.log("ending: the tiles under way are finished first")
            if self.upkeep is not None:
                self.upkeep.end()
            self.processes.end()
            if self.mover is not None:
                self.mover.end()
            self._unless_lake_fails(self._collect)
            self.log("ended")

    # -----------------------------------------------------------------------------------------------------
    # One folder.

    def _look_at(self, watched: Watched, source: RunSource, records: dict[str, RunRecord]) -> None:
        now = self.clock()
        description = source.describe()
        sheet = self._given_sheet(description.flowcell, description.run_id) or source.sample_sheet()
        digest = self._see_sheet(watched, sheet)
        record = records.get(description.run_id)
        if record is not None and record.digest not in (description.digest, UNREADABLE):
            self._duplicate(watched, description, record, records)
            return
        if self.processes.is_running(description.run_id):
            watched.waiting = "worker"
            return
        if record is not None and record.state in _DONE:
            self._late_sheet(watched, description, record, sheet, needs_folder=True)
            return
        progress = source.progress()
        progress = replace(progress, signature=progress.signature + watched.mended())
        if progress.signature != watched.signature:
            watched.signature, watched.since, watched.looks = progress.signature, now, 0
        watched.looks += 1
        # A complete run that a sheet put in quarantine needs another sheet, not another look at its files.
        if watched.settled is not None and watched.settled in (
            (progress.signature, digest),
            ("sheet", digest),
        ):
            return
        if progress.aborted is not None:
            self._aborted(watched, description, progress, record, digest)
            return
        watched.waiting = "instrument"
        if record is None or record.digest == UNREADABLE:
            self.log(f"{description.run_id}: found in {watched.folder}")
            self._forget_unreadable(description, records)
        if self._has_moved_on(description, progress, record):
            record_run(self.catalog, description, "receiving", progress=progress)
            now_known = find_run(self.catalog, description.run_id)
            if now_known is not None:
                records[description.run_id] = now_known  # a copy of it may be looked at next
        self._when_at_rest(watched, source, description, progress, sheet, now)

    def _has_moved_on(
        self, description: RunDescription, progress: RunProgress, record: RunRecord | None
    ) -> bool:
        """Whether the catalog is to hear how far a run has come."""
        if record is None or record.digest == UNREADABLE:
            return True
        if record.folder != str(description.folder) and Path(record.folder or "").is_dir():
            return False  # a second copy of it: the two would be told in turn for ever
        if record.state == "quarantined":
            # Until something comes, and after a restart of the daemon, it stays what it is.
            return (record.cycles, record.bytes) != (progress.cycles, progress.bytes)
        return record.cycles != progress.cycles or record.state not in _UNFINISHED

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
        if watched.looks < 2 or rest < self.settings.settle or not self._sheet_rests(watched):
            return
        if watched.checked is None or watched.checked_signature != watched.signature:
            watched.checked, watched.checked_signature = (
                source.check(self.settings.options.allow_missing),
                watched.signature,
            )
        check = watched.checked
        settled = (progress.signature, watched.sheet)
        sheet = self._sheet_to_import(watched, description, sheet)
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
            watched.queued = min(watched.queued, now)
            return
        watched.queued = math.inf
        free = shutil.disk_usage(self.catalog.layout.root).free
        needed = max(0, needed - self._bytes_there(description.run_id)) if needed else 0
        if free < needed + self.settings.reserve:
            watched.waiting = "space"
            self.monitor.failed("storage")
            self._tell(
                watched,
                f"{description.run_id}: waits for space: needs {needed:,} bytes beside the {self.settings.reserve:,}"
                f" kept free, and {self.catalog.layout.root} has {free:,}",
                reason="space",  # how much is free is another number at every look
            )
            return
        watched.waiting = "worker"
        self.log(f"{description.run_id}: importing {watched.folder}")
        self.processes.start(
            watched.folder, description, None if folder_gone else watched.folder, sheet, settled
        )

    def _bytes_there(self, run_id: str) -> int:
        """What the lake's disk holds of a run already: it needs so much less to go on."""
        one = self.catalog.layout.data_file(TABLES["read_records"], {"run_id": run_id, "lane": None}, "", 0)
        return sum(path.stat().st_size for path in one.parents[1].rglob("*.parquet"))

    def _collect(self) -> None:
        self._answers.extend(self.processes.ended())
        while self._answers:
            answer = self._answers[0]
            self._note(answer)
            self.monitor.answered(answer.outcome, answer.units, answer.reads)
            del self._answers[0]  # only now: what the lake failed to take down is told to it again

    def _note(self, answer: Answer) -> None:
        watched = self._watched.setdefault(answer.key, Watched(folder=answer.key))
        run_id = answer.description.run_id
        watched.told = ""
        if answer.outcome == "stopped" and self.stop.is_set():
            return
        if answer.outcome in ("complete", "quarantined"):
            if answer.sheet_only:
                self._record_sheet(answer, None)
            watched.failures = watched.crashes = 0
            watched.settled = answer.settled
            watched.faulty = self._faulty(run_id)
            self._known.pop(answer.key, None)  # with its list of tiles, which nobody asks for again
            said = f"{run_id}: {answer.outcome}, {answer.units} units and {answer.reads:,} reads imported"
            self.log(f"{said}; {answer.error}" if answer.error else said)
            return
        crashes = watched.crashes + 1 if answer.outcome == "crashed" else 0
        if answer.outcome == "refused" or crashes >= self.settings.crashes:
            error = answer.error or ""
            if answer.outcome == "crashed":
                error = f"{error}; the last of {crashes} attempts"
            if answer.sheet_only:
                self._record_sheet(answer, error)
            else:
                record_run(self.catalog, answer.description, "quarantined", error=error)
            watched.settled = answer.settled
            watched.failures = watched.crashes = 0
            self.monitor.failed("worker")
            self.log(f"{run_id}: {'the sheet is refused' if answer.sheet_only else 'quarantined'}: {error}")
            return
        watched.failures, watched.crashes = watched.failures + 1, crashes
        pause = self.settings.pause(watched.failures) * random.uniform(0.8, 1.2)
        watched.not_before = self.clock() + pause
        watched.waiting = "retry"
        self.monitor.failed("storage" if answer.outcome == "retry" else "worker")
        self.log(f"{run_id}: failed, next attempt in {pause:,.0f} s: {answer.error}")

    def _faulty(self, run_id: str) -> dict[Path, Stamp | None]:
        rows = self.catalog.query(
            "SELECT DISTINCT path FROM run_faults WHERE run_id = ? ORDER BY path LIMIT 100", [run_id]
        )
        return stamps(map(Path, rows["path"].to_pylist()))

    def _record_sheet(self, answer: Answer, error: str | None) -> None:
        """Set down whether a sheet could be assigned; the run itself is as it was."""
        record = find_run(self.catalog, answer.description.run_id)
        if record is not None and record.error != error:
            record_run(self.catalog, answer.description, record.state, error=error)

    # -----------------------------------------------------------------------------------------------------
    # What goes wrong.

    def _unreadable(self, watched: Watched, found: Found, records: dict[str, RunRecord]) -> None:
        """What describes the run cannot be read: it may still be copied."""
        now, error = self.clock(), found.error or ""
        signature = f"unreadable {os.stat(watched.folder).st_mtime_ns} {error}"
        if signature != watched.signature:
            watched.signature, watched.since, watched.looks = signature, now, 0
        watched.looks += 1
        if watched.settled == (signature, None):
            return
        folder = watched.folder.resolve()
        known = [one for one in records.values() if one.folder == str(folder) and one.digest != UNREADABLE]
        if any(one.state in _DONE for one in known):
            self._fault(watched, f"{error}; its run is in the lake")
            watched.settled = (signature, None)
            return
        watched.waiting = "instrument"
        self._tell(watched, error)
        # Copies by name bring RunInfo.xml when all base calls are there, in which nothing of the folder itself changes.
        enough = self.settings.abandoned if found.missing else self.settings.settle
        if watched.looks < 2 or now - watched.since < enough:
            return
        if known:
            descriptions = [described(one) for one in known]
        else:
            descriptions = [
                RunDescription(
                    run_id=folder.name,
                    platform="",
                    instrument="",
                    flowcell="",
                    started=None,
                    digest=UNREADABLE,
                    folder=folder,
                )
            ]
        for description in descriptions:
            other = records.get(description.run_id)
            if other is None or other.digest == description.digest:
                record_run(self.catalog, description, "quarantined", error=error)
        self.monitor.failed("folder")
        self.log(f"{folder.name}: quarantined: {error}")
        watched.settled = (signature, None)
        watched.waiting = ""

    def _forget_unreadable(self, description: RunDescription, records: dict[str, RunRecord]) -> None:
        """Take away what stands for the run by its folder's name, from when its own could not be read."""
        for record in records.values():
            if record.digest == UNREADABLE and record.folder == str(description.folder):
                with self.catalog.record() as tx:
                    tx.execute(
                        "DELETE FROM runs WHERE run_id = ? AND digest = ?", [record.run_id, UNREADABLE]
                    )

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

    def _miss_folders(
        self, found: Sequence[Found], here: Collection[str], records: dict[str, RunRecord]
    ) -> None:
        """Runs whose folder went away before they were in the lake."""
        root = self.root.resolve()
        hidden = [one.folder.resolve() for one in found if one.source is None]
        for record in records.values():
            folder = Path(record.folder) if record.folder is not None else None
            if folder is None or not folder.is_relative_to(root) or record.run_id in here:
                continue
            if record.state not in _UNFINISHED or self.processes.is_running(record.run_id):
                continue
            if any(folder.is_relative_to(unseen) for unseen in hidden):
                continue
            record_run(self.catalog, described(record), "quarantined", error=f"{folder}: the folder is gone")
            self.monitor.failed("folder")
            self.log(f"{record.run_id}: quarantined: {folder} is gone")
        there = {one.folder for one in found}
        for key, one in list(self._watched.items()):
            if key not in there and key not in self.processes.running and not one.gone:
                del self._watched[key]

    def _refuse_emptied(self, found: Sequence[Found], records: dict[str, RunRecord]) -> None:
        """Raises OSError where not the runs are gone, but what they lie on: no mount leaves an empty folder."""
        status = os.stat(self.root)
        identity = (status.st_dev, status.st_ino)
        if found:
            self._root_seen = identity
            return
        root = self.root.resolve()
        missed = any(
            one.state in _UNFINISHED and Path(one.folder or "").is_relative_to(root)
            for one in records.values()
        )
        if self._root_seen is None and missed and not os.listdir(root):
            raise OSError("it is empty, and runs are known to be arriving in it")
        if self._root_seen not in (None, identity):
            raise OSError("it is another folder than before, and empty")

    def _lost(self, why: str) -> None:
        self.monitor.failed("share")
        if not self._share_lost:
            self.log(
                f"{self.root}: the share is gone ({why}); nothing is changed, looking again until it is back"
            )
        self._share_lost = True

    # -----------------------------------------------------------------------------------------------------
    # Sheets.

    def _given_sheet(self, flowcell: str, run_id: str) -> Path | None:
        return given_sheet(self.settings.sheets, flowcell, run_id)

    def _see_sheet(self, watched: Watched, sheet: Path | None) -> str | None:
        digest = digest_of(sheet)
        watched.sheet_looks = watched.sheet_looks + 1 if digest == watched.sheet else 1
        watched.sheet = digest
        return digest

    def _sheet_rests(self, watched: Watched) -> bool:
        return watched.sheet is None or watched.sheet_looks >= 2

    def _sheet_to_import(
        self, watched: Watched, description: RunDescription, sheet: Path | None
    ) -> Path | None:
        """The sheet to import a run by; None leaves the choice to the run folder, which knows what was replaced."""
        given = self._given_sheet(description.flowcell, description.run_id)
        if sheet is None or given != sheet or watched.sheet is None:
            return None
        record = find_run(self.catalog, description.run_id)
        if record is None or record.sample_sheet == watched.sheet:
            return sheet
        return sheet if is_news(self.catalog, description.run_id, sheet, watched.sheet) else None

    def _late_sheet(
        self,
        watched: Watched,
        description: RunDescription,
        record: RunRecord,
        sheet: Path | None,
        *,
        needs_folder: bool,
    ) -> None:
        """Have a run that is in the lake assigned by a sheet that came since."""
        digest = watched.sheet
        if sheet is None or digest is None or record.platform != _ASSIGNED:
            return
        if digest == record.sample_sheet or watched.settled == ("sheet", digest):
            return
        if not self._sheet_rests(watched):
            watched.waiting = "sheet"
            return
        if not is_news(self.catalog, record.run_id, sheet, digest):
            self._tell(
                watched,
                f"{record.run_id}: {sheet} is not taken: the run was assigned by another sheet since; save it again"
                " to have it taken",
            )
            return
        self._start(
            watched, description, sheet, settled=("sheet", digest), needed=0, folder_gone=not needs_folder
        )

    def _assign_late_sheets(
        self, found: Sequence[Found], here: Collection[str], records: dict[str, RunRecord]
    ) -> None:
        """Sheets given for runs whose folders are no longer there."""
        there = {one.folder for one in found}
        for record in records.values():
            if record.state not in _DONE or record.digest is None or record.folder is None:
                continue
            if record.run_id in here or self.processes.is_running(record.run_id):
                continue
            sheet = self._given_sheet(record.flowcell or "", record.run_id)
            folder = Path(record.folder)
            if sheet is None or folder in there:
                continue
            watched = self._watched.setdefault(folder, Watched(folder=folder))
            watched.waiting, watched.gone = "", True
            self._see_sheet(watched, sheet)
            self._late_sheet(watched, described(record), record, sheet, needs_folder=False)

    # -----------------------------------------------------------------------------------------------------
    # Small things.

    def _fault(self, watched: Watched, text: str) -> None:
        if watched.told != text:
            self.monitor.failed("folder")
        self._tell(watched, text)

    def _tell(self, watched: Watched, text: str, reason: str = "") -> None:
        if watched.told != (reason or text):
            watched.told = reason or text
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
