"""An Illumina run folder: what it is, how far it has come, and its import tile by tile."""

import re
from collections.abc import Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from baselake.catalog.catalog import Catalog
from baselake.catalog.locks import held_lock
from baselake.errors import (
    BaselakeError,
    ConflictError,
    InputError,
    NotFoundError,
    StorageError,
    TruncatedInputError,
)
from baselake.ingest.illumina.assign import current_sheet, is_replaced, put_assignment, read_group_ids
from baselake.ingest.illumina.convert import Lane, WrongSheetError, convert_tile
from baselake.ingest.illumina.folder import absent_tiles, check_run, clusters_of, observe, open_run_folder
from baselake.ingest.illumina.interop import interop_metrics
from baselake.ingest.illumina.lane_plan import LanePlan, plan_lanes
from baselake.ingest.illumina.run_files import RunFolder
from baselake.ingest.illumina.run_info import RunInfo, read_run_info
from baselake.ingest.illumina.run_parameters import read_run_parameters
from baselake.ingest.illumina.sample_sheet import SampleSheet, read_sample_sheet
from baselake.ingest.objects import illumina_objects, keep_objects
from baselake.ingest.run_records import UNREADABLE, find_run, put_faults, put_metrics, put_run, summary
from baselake.ingest.run_source import Fault, RunCheck, RunDescription, RunOptions, RunProgress, RunResult
from baselake.lake.parquet import storage_error
from baselake.progress import Progress, Task

RUN_INFO = "RunInfo.xml"
_SHEETS = "SampleSheet*.csv"
# Written when the instrument is done; the last two say whether it was content.
_END_MARKERS = ("CopyComplete.txt", "RTAComplete.txt", "RTAComplete.xml")
_STATUS = "RunCompletionStatus.xml"
_GIVEN_UP = ("RunErrored", "StoppedByUser", "UserEndedEarly", "ExceptionEndedEarly", "RunAborted")
# In the path of a base-call file.
_CYCLE = re.compile(r"/C(\d+)\.1/|/(\d{4})\.bcl\.bgzf")
# Of what a tile takes in memory: a byte a call, the columns of two row groups, inflated cycles before they are turned.
_TILE_BYTES_A_CALL = 1.3
_TILE_BYTES_FIXED = 256 << 20


@dataclass(slots=True, kw_only=True)
class IlluminaRun:
    """A run folder with RunInfo.xml; see `baselake.ingest.run_source.RunSource`.

    A daemon knows thousands of them, of which it mostly wants the description: the tiles are read when they are asked
    for.

    Attributes:
        root: the folder.
        description: what it says of itself.
    """

    root: Path
    description: RunDescription
    _info: RunInfo | None = None

    @classmethod
    def open(cls, root: Path) -> "IlluminaRun":
        """Read what describes the run.

        Raises:
            InputError: RunInfo.xml cannot be read.
        """
        info = read_run_info(root / RUN_INFO)
        description = RunDescription(
            run_id=info.run_id,
            platform="ILLUMINA",
            instrument=info.instrument,
            flowcell=info.flowcell,
            started=info.date,
            digest=info.digest,
            folder=root.resolve(),
        )
        return cls(root=root, description=description)

    @property
    def info(self) -> RunInfo:
        """What RunInfo.xml says.

        Raises:
            InputError: it says something else than when the run was opened.
        """
        if self._info is None:
            info = read_run_info(self.root / RUN_INFO)
            if info.digest != self.description.digest:
                where = str(self.root / RUN_INFO)
                raise InputError("the file was replaced just now", where, "Run the same command again")
            self._info = info
        return self._info

    def describe(self) -> RunDescription:
        return self.description

    def progress(self) -> RunProgress:
        seen = observe(self.root, self.info)
        ended = any((self.root / marker).exists() for marker in _END_MARKERS)
        return RunProgress(
            cycles=seen.cycles,
            cycles_expected=self.info.cycles,
            bytes=seen.bytes,
            signature=seen.signature,
            ended=ended or (self.root / _STATUS).exists(),
            aborted=_aborted(self.root),
        )

    def check(self, allow_missing: Collection[str] = ()) -> RunCheck:
        try:
            return check_run(open_run_folder(self.root, self.info), allow_missing=allow_missing)
        except NotFoundError as error:
            fault = Fault(path=Path(error.where), what=error.what, missing=True)
            return RunCheck(faults=(fault,), bytes=0, bytes_needed=0)

    def sample_sheet(self) -> Path | None:
        sheets = [path for path in self.root.glob(_SHEETS) if path.is_file()]
        return max(sheets, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)

    def ingest(self, catalog: Catalog, options: RunOptions, progress: Progress) -> RunResult:
        run_id = self.description.run_id
        with held_lock(catalog.layout.run_lock(run_id), f"run {run_id} is imported"):
            return _ingest(self, catalog, options, progress)


def _aborted(root: Path) -> str | None:
    try:
        text = (root / _STATUS).read_text(errors="replace")
    except FileNotFoundError:
        return None
    for word in _GIVEN_UP:
        if word in text:
            return f"{_STATUS} says {word}"
    return None


def _ingest(run: IlluminaRun, catalog: Catalog, options: RunOptions, progress: Progress) -> RunResult:
    run_id = run.info.run_id
    record = find_run(catalog, run_id)
    if record is not None and record.digest not in (run.info.digest, UNREADABLE):
        raise ConflictError(
            f"another run named {run_id} is in the lake, from {record.folder or 'read files'}",
            str(run.root),
            "Rename this run in its RunInfo.xml, or leave it out",
        )
    if options.sample_sheet is not None and not options.sample_sheet.is_file():
        raise NotFoundError("no such file", str(options.sample_sheet), "Give the sample sheet's path")
    try:
        faults, rows, new, there = _import(run, catalog, options, progress)
        keep_objects(catalog, run_id, illumina_objects(run.root), progress)
        interop = interop_metrics(run.root)
        seen = run.progress()
    except (InputError, NotFoundError, ConflictError) as error:
        _check_there(run, error)
        with catalog.record() as tx:
            put_faults(tx, run_id, [Fault(path=Path(error.where), what=error.what, missing=False)])
            put_run(tx, run.describe(), "quarantined", error=str(error))
        raise
    except BaselakeError:
        raise
    except OSError as error:
        raise _storage_error(error, run, catalog) from error
    for warning in interop.warnings:
        progress.note(f"{run_id}: {warning}")
    with catalog.record() as tx:
        put_metrics(tx, run_id, interop.metrics)
        put_faults(tx, run_id, faults)
        state = "quarantined" if faults else "complete"
        put_run(tx, run.describe(), state, progress=seen, error=summary(faults))
    return RunResult(run_id=run_id, units=there, units_imported=new, reads=rows, faults=faults)


def _import(
    run: IlluminaRun, catalog: Catalog, options: RunOptions, progress: Progress
) -> tuple[list[Fault], int, int, int]:
    """Assigns and converts; what could not be converted, the rows written, the tiles imported and those there are."""
    run_id, info = run.info.run_id, run.info
    seen = run.progress()
    faults: list[Fault] = []
    try:
        parameters = read_run_parameters(run.root)
    except InputError as error:
        parameters = None
        faults.append(_fault_beside_calls(error))
    # Set down before anything can fail: a new daemon tells by it whether the folder has changed since.
    with catalog.record() as tx:
        documents = {
            "run_info": info.text,
            "run_parameters": parameters.text if parameters is not None else None,
        }
        put_run(tx, run.describe(), "ingesting", progress=seen, documents=documents)
    try:
        sheet = _choose_sheet(run, catalog, options)
    except InputError as error:
        # What was read does not hang on the sheet: it goes in as the run was assigned before, or of no sample.
        sheet = current_sheet(catalog, run_id)
        faults.append(_fault_beside_calls(error))
    for warning in sheet.warnings if sheet is not None else ():
        progress.note(f"{sheet.path if sheet is not None else ''}: {warning}")
    plans = plan_lanes(info, parameters, sheet)
    folder = open_run_folder(run.root, info)
    if _assignment_differs(catalog, run_id, plans, sheet):
        put_assignment(catalog, run_id, info, plans, sheet, progress)
    of_tiles, rows, new, there = _convert(run, catalog, folder, plans, sheet, options, progress)
    return faults + of_tiles, rows, new, there


def _check_there(run: IlluminaRun, error: BaselakeError) -> None:
    """Raises StorageError where a file cannot be read because nothing of the folder can."""
    path = run.root / RUN_INFO
    try:
        path.read_bytes()
    except OSError:
        raise StorageError(
            "the run folder cannot be read" if path.exists() else "the run folder is gone",
            str(run.root),
            "Bring it back and run the same command again: it goes on with the next tile",
        ) from error


def _storage_error(error: OSError, run: IlluminaRun, catalog: Catalog) -> StorageError:
    if error.filename is not None and Path(error.filename).is_relative_to(catalog.layout.root):
        return storage_error(error, Path(error.filename))
    return StorageError(
        error.strerror or str(error),
        str(error.filename or run.root),
        "See that the share is there, then run the same command again: it goes on with the next tile",
    )


def _choose_sheet(run: IlluminaRun, catalog: Catalog, options: RunOptions) -> SampleSheet | None:
    """The sheet given, else the one in the folder, else the one the run was assigned by before.

    A sheet in the folder that another has replaced since stays replaced: importing the rest of a run must not take a
    correction back that came from elsewhere.

    Raises:
        InputError: it is no sample sheet, or something in it makes no sense.
    """
    path = options.sample_sheet if options.sample_sheet is not None else run.sample_sheet()
    if path is None:
        return current_sheet(catalog, run.info.run_id)
    sheet = read_sample_sheet(path)
    if options.sample_sheet is None and is_replaced(catalog, run.info.run_id, sheet):
        return current_sheet(catalog, run.info.run_id)
    return sheet


def _assignment_differs(
    catalog: Catalog, run_id: str, plans: dict[int, LanePlan], sheet: SampleSheet | None
) -> bool:
    (row,) = catalog.query(
        "SELECT sample_sheet, (SELECT count(*) FROM lane_layouts WHERE run_id = $run) AS lanes FROM runs"
        " WHERE run_id = $run",
        {"run": run_id},
    ).to_pylist()
    digest = sheet.digest if sheet is not None else None
    return bool(row["lanes"] != len(plans) or row["sample_sheet"] != digest)


def _tiles_there(catalog: Catalog, run_id: str) -> dict[tuple[int, int], str]:
    """What was derived from the reads of each lane and tile that is in the lake."""
    rows = catalog.query("SELECT lane, tile, needs FROM run_tiles WHERE run_id = ?", [run_id]).to_pylist()
    return {(row["lane"], row["tile"]): row["needs"] for row in rows}


def _convert(
    run: IlluminaRun,
    catalog: Catalog,
    folder: RunFolder,
    plans: dict[int, LanePlan],
    sheet: SampleSheet | None,
    options: RunOptions,
    progress: Progress,
) -> tuple[list[Fault], int, int, int]:
    """Imports the tiles that are not there; what could not be, the rows written, the tiles imported and all there."""
    info = run.info
    there = _tiles_there(catalog, info.run_id)
    wanted = [place for place in info.tiles if there.get(place) != plans[place[0]].needs]
    faults: list[Fault] = []
    for lane in plans:
        try:
            absent = absent_tiles(folder, [place for place in wanted if place[0] == lane])
        except InputError:
            continue  # told of each tile that needs the file
        if "tiles" not in options.allow_missing:
            faults += [fault for of_tile in absent.values() for fault in of_tile]
        wanted = [place for place in wanted if place not in absent]
    # What contradicts the sheet comes to light before much is imported: a tile of each lane goes first.
    firsts = dict(sorted(((place[0], place) for place in wanted), reverse=True))
    wanted.sort(key=lambda place: place != firsts[place[0]])
    assigned = _assigned(catalog, info.run_id)
    lanes = {
        lane: Lane(
            run_id=info.run_id,
            info=info,
            plan=plan,
            groups=read_group_ids(info, plan),
            sheet=str(sheet.path) if sheet is not None else "",
            assigned=assigned.get(lane, set()),
        )
        for lane, plan in plans.items()
    }
    workers, threads = _workers(catalog, folder, wanted)
    rows = 0
    imported = set()

    def convert(place: tuple[int, int], task: Task) -> int:
        return convert_tile(
            catalog, folder, lanes[place[0]], place[1], task, threads=threads, options=options
        )

    with progress.task(f"ingest {info.run_id}", unit="clusters") as task:
        for place, result in _in_parallel(convert, wanted, task, workers):
            try:
                rows += result.result()
                imported.add(place)
            except WrongSheetError:
                raise
            except (InputError, NotFoundError) as error:
                _check_there(run, error)
                faults.append(_fault(error, place))
                progress.note(f"lane {place[0]}, tile {place[1]} is left out: {error}")
    # As tiles end in any order: the same faults are told the same way at every look.
    faults.sort(key=lambda fault: (fault.lane or 0, fault.tile or 0, fault.cycle or 0, fault.path))
    return faults, rows, len(imported), len(there.keys() | imported)


def _in_parallel(work, places, task, workers) -> Iterator[tuple[tuple[int, int], Future[int]]]:  # type: ignore[no-untyped-def]
    """The results of tiles as they come, no more tiles begun than are worked on.

    When the caller leaves early, tiles under way are finished and committed first.
    """
    places = iter(places)
    running: dict[Future[int], tuple[int, int]] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="tile") as pool:
        while True:
            for place in places:
                running[pool.submit(work, place, task)] = place
                if len(running) == workers:
                    break
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future


def _assigned(catalog: Catalog, run_id: str) -> dict[int, set[bytes]]:
    """The index sequences of each lane that are some sample's."""
    rows = catalog.query(
        "SELECT lane, index1_seq || index2_seq AS sequence FROM barcode_assignments WHERE run_id = ?",
        [run_id],
    )
    found: dict[int, set[bytes]] = {}
    for lane, sequence in zip(rows["lane"].to_pylist(), rows["sequence"].to_pylist(), strict=True):
        found.setdefault(lane, set()).add(sequence.encode())
    return found


def _workers(catalog: Catalog, folder: RunFolder, places: list[tuple[int, int]]) -> tuple[int, int]:
    """How many tiles to work on at once, and with how many threads each: as many tiles as memory holds."""
    largest = max((_clusters(folder, place) for place in places[:64]), default=0)
    each = int(largest * folder.run_info.cycles * _TILE_BYTES_A_CALL) + _TILE_BYTES_FIXED
    threads = catalog.config.threads
    workers = max(1, min(threads, catalog.config.memory_bytes // 2 // each, len(places) or 1))
    return workers, max(1, threads // workers)


def _clusters(folder: RunFolder, place: tuple[int, int]) -> int:
    try:
        return clusters_of(folder, *place)
    except InputError:
        return 0  # told when the tile is read


def _fault_beside_calls(error: InputError) -> Fault:
    """A fault of a file without which the base calls can be read."""
    what = f"{error.what}. {error.remedy}"
    return Fault(path=Path(error.where), what=what, missing=isinstance(error, TruncatedInputError))


def _fault(error: BaselakeError, place: tuple[int, int]) -> Fault:
    cycle = _CYCLE.search(error.where)
    return Fault(
        path=Path(error.where),
        what=error.what,
        missing=isinstance(error, (NotFoundError, TruncatedInputError)),
        lane=place[0],
        tile=place[1],
        cycle=int(cycle[1] or cycle[2]) if cycle is not None else None,
    )
