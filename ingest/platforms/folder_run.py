"""A run folder of any platform that writes files of reads: its state, its check and its import.

Files go in a few at a time, one transaction each: a crash costs those, and the next import goes on after them.
"""

import hashlib
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from baselake.catalog.catalog import Catalog
from baselake.catalog.locks import held_lock
from baselake.errors import ConflictError, InputError, NotFoundError, StorageError
from baselake.ingest.compressed import decompressed, file_source_id
from baselake.ingest.fastq_files import FastqUnit
from baselake.ingest.objects import keep_objects
from baselake.ingest.platforms.file_ends import end_fault
from baselake.ingest.platforms.platform import Contents, Platform, SamFile
from baselake.ingest.run_records import find_run, put_faults, put_run, summary
from baselake.ingest.run_source import Fault, RunCheck, RunDescription, RunOptions, RunProgress, RunResult
from baselake.progress import Progress

# Files of one transaction: a few seconds' work, and not thousands of small Parquet files.
_GROUP_BYTES = 256 << 20
# A gzip file of no reads is smaller than this: header, name, and an empty block or two.
_EMPTY_BYTES = 512
# What a byte of a file becomes in the lake, at most: gzip and bgzip level 6 are much like our Parquet; aligned BAM
# goes in as reads and as alignments; CRAM leaves out what the reference says, and its qualities are packed better.
_LAKE_BYTES = {"gz": 1.3, "fastq": 0.5, "fq": 0.5, "bam": 2.2, "cram": 6.0}

_Item = FastqUnit | SamFile


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Files of one transaction.

    Attributes:
        items: the files, of one kind.
        aligned: they go together or not at all: a sample's alignments on an assembly come from one import.
    """

    items: tuple[_Item, ...]
    aligned: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(path for item in self.items for path in _paths(item))


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRun:
    """See `baselake.ingest.run_source.RunSource`.

    Attributes:
        root: the folder.
        platform: who knows its layout.
        description: the run.
    """

    root: Path
    platform: Platform
    description: RunDescription

    def describe(self) -> RunDescription:
        return self.description

    def progress(self) -> RunProgress:
        signature = hashlib.sha256()
        total = 0
        for name, size, changed in sorted(_listing(self.root)):
            signature.update(f"{name}\0{size}\0{changed}\n".encode(errors="surrogateescape"))
            total += size
        end = self.platform.end(self.root)
        return RunProgress(
            cycles=0,
            cycles_expected=0,
            bytes=total,
            signature=signature.hexdigest(),
            ended=end.ended,
            aborted=end.aborted,
        )

    def check(self, allow_missing: Collection[str] = ()) -> RunCheck:
        found = self._contents(RunOptions())
        paths = [path for item in found.reads for path in _paths(item)]
        kept = [item.path for item in found.objects]
        return RunCheck(
            faults=(*found.faults, *_end_faults(found)),
            bytes=sum(map(_size, (*paths, *kept))),
            bytes_needed=int(sum(_lake_bytes(path) for path in paths)) + sum(map(_size, kept)),
        )

    def sample_sheet(self) -> Path | None:
        return self.platform.sample_sheet(self.root)

    def ingest(self, catalog: Catalog, options: RunOptions, progress: Progress) -> RunResult:
        run_id = self.description.run_id
        with held_lock(catalog.layout.run_lock(run_id), f"run {run_id} is imported"):
            return _ingest(self, catalog, options, progress)

    def _contents(self, options: RunOptions) -> Contents:
        sheet = options.sample_sheet if options.sample_sheet is not None else self.sample_sheet()
        found = self.platform.contents(self.root, sheet, options.sample)
        signal = tuple(item for item in found.objects if options.keep_signal or item.kind != "pod5")
        return replace(found, objects=signal)


def _ingest(run: FolderRun, catalog: Catalog, options: RunOptions, progress: Progress) -> RunResult:
    description = run.description
    record = find_run(catalog, description.run_id)
    if record is not None and record.digest != description.digest:
        raise ConflictError(
            f"another run named {description.run_id} is in the lake, from {record.folder or 'read files'}",
            str(run.root),
            "Leave it out, or rename its folder",
        )
    found = run._contents(options)
    for note in found.notes:
        progress.note(f"{description.run_id}: {note}")
    # Set down before anything can fail: by it a new daemon tells whether the folder has changed.
    seen = run.progress()
    with catalog.record() as tx:
        put_run(tx, description, "ingesting", progress=seen)
    faults = [*found.faults, *_end_faults(found)]
    faulty = {fault.path for fault in faults}
    whole = [item for item in found.objects if item.path not in faulty]
    keep_objects(catalog, description.run_id, whole, progress)
    known = _imported_files(catalog, description.run_id)
    new = [
        item
        for item in found.reads
        if not faulty.intersection(_paths(item))
        and not all((str(path.resolve()), _size(path)) in known for path in _paths(item))
        and not _is_empty(item)
    ]
    reads = files = 0
    for group in _groups(new):
        done = _import_group(catalog, run, found, group, options, progress, faults)
        reads += done[0]
        files += done[1]
    with catalog.record() as tx:
        put_faults(tx, description.run_id, faults)
        put_run(
            tx,
            description,
            "quarantined" if faults else "complete",
            progress=run.progress(),
            error=summary(faults),
        )
    there = len(_imported_files(catalog, description.run_id))
    return RunResult(
        run_id=description.run_id, units=there, units_imported=files, reads=reads, faults=tuple(faults)
    )


# ---------------------------------------------------------------------------------------------------------
# Importing.


def _groups(items: Sequence[_Item]) -> Iterator["_Group"]:
    """Files that go into one transaction."""
    aligned: dict[object, list[_Item]] = {}
    group: list[_Item] = []
    size = 0
    for item in items:
        if isinstance(item, SamFile) and _is_aligned(item.path):
            aligned.setdefault(item.sample or item.path, []).append(item)
            continue
        own = sum(map(_size, _paths(item)))
        mixed = isinstance(item, SamFile) and bool(group) and group[0].sample != item.sample
        if group and (size + own > _GROUP_BYTES or mixed or type(group[0]) is not type(item)):
            yield _Group(items=tuple(group))
            group, size = [], 0
        group.append(item)
        size += own
    if group:
        yield _Group(items=tuple(group))
    yield from (_Group(items=tuple(files), aligned=True) for files in aligned.values())


def _import_group(
    catalog: Catalog,
    run: FolderRun,
    found: Contents,
    group: _Group,
    options: RunOptions,
    progress: Progress,
    faults: list[Fault],
) -> tuple[int, int]:
    """Imports files together, or where one of them is faulty, each by itself; reads and files that are new."""
    try:
        for path in group.paths:
            _require_digest(path, found)
        return _import(catalog, run.description, found, group, options, progress)
    except StorageError:
        raise
    except (InputError, NotFoundError, ConflictError) as error:
        if len(group.items) == 1 or group.aligned:
            faults.append(_fault(error, group))
            progress.note(f"left out: {error}")
            return 0, 0
    results = [
        _import_group(catalog, run, found, _Group(items=(item,)), options, progress, faults)
        for item in group.items
    ]
    return sum(reads for reads, _ in results), sum(files for _, files in results)


def _import(
    catalog: Catalog,
    run: RunDescription,
    found: Contents,
    group: _Group,
    options: RunOptions,
    progress: Progress,
) -> tuple[int, int]:
    units = [item for item in group.items if isinstance(item, FastqUnit)]
    if units:
        from baselake.ingest.fastq import ingest_units

        read = ingest_units(catalog, units, run=run, declared=found.declared, progress=progress)
        return read.reads, len(read.imported)
    from baselake.ingest.bam import ingest_bam

    files = [item for item in group.items if isinstance(item, SamFile)]
    done = ingest_bam(
        catalog,
        [item.path for item in files],
        sample=files[0].sample,
        reference=options.reference,
        run=run,
        progress=progress,
    )
    return done.reads, len(done.files)


def _require_digest(path: Path, found: Contents) -> None:
    wanted = found.sha256.get(path)
    if wanted is not None and file_source_id(path) != wanted:
        raise InputError(
            "its SHA-256 is not the one that the instrument wrote down",
            str(path),
            "Copy the file from the instrument again",
        )


def _is_aligned(path: Path) -> bool:
    """Whether a file may hold alignments: its header has contigs. A file that cannot be read has none."""
    from baselake.ingest.sam_stream import detect_format, read_header

    try:
        form = detect_format(path)
        return form is not None and bool(read_header(path, form).contigs)
    except (InputError, NotFoundError):
        return False  # its import says what is wrong with it


def _fault(error: InputError | NotFoundError | ConflictError, group: _Group) -> Fault:
    """The fault of the file that the error names, with what the error says of the place in it."""
    for path in group.paths:
        if error.where.startswith(str(path)):
            place = error.where.removeprefix(str(path)).lstrip(", ")
            return Fault(path=path, what=f"{place}: {error.what}" if place else error.what, missing=False)
    where = f"{error.where}: " if error.where else ""
    return Fault(path=group.paths[0], what=f"{where}{error.what}", missing=False)


def _imported_files(catalog: Catalog, run_id: str) -> set[tuple[str, int]]:
    """Path and size of the run's files that are in the lake."""
    rows = catalog.query("SELECT path, bytes FROM source_files WHERE run_id = ?", [run_id]).to_pylist()
    return {(row["path"], row["bytes"]) for row in rows}


# ---------------------------------------------------------------------------------------------------------
# Files.


def _paths(item: _Item) -> tuple[Path, ...]:
    return item.files if isinstance(item, FastqUnit) else (item.path,)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # its fault is found where it is read


def _lake_bytes(path: Path) -> float:
    return _LAKE_BYTES.get(path.name.lower().rpartition(".")[2], 1.0) * _size(path)


def _end_faults(found: Contents) -> list[Fault]:
    """Faults of the ends of files that the platform's own lists found nothing wrong with."""
    faulty = {fault.path for fault in found.faults}
    paths = [path for item in found.reads for path in _paths(item)]
    paths += [item.path for item in found.objects if item.kind == "pod5"]
    faults = (end_fault(path) for path in dict.fromkeys(paths) if path not in faulty)
    return [fault for fault in faults if fault is not None]


def _is_empty(item: _Item) -> bool:
    """Whether FASTQ files are sound and have no reads, as those of a barcode that nothing had."""
    if not isinstance(item, FastqUnit) or any(_size(path) > _EMPTY_BYTES for path in item.files):
        return False
    try:
        return not any(piece for path in item.files for piece in decompressed(path, _EMPTY_BYTES))
    except InputError:
        return False  # its import says what is wrong with it


def _listing(root: Path) -> Iterator[tuple[str, int, int]]:
    """Path, size and time of change of every file; what goes away meanwhile is not there."""
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    name = os.path.join(folder, entry.name)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(name)
                    elif entry.is_file():
                        status = entry.stat()
                        yield name, status.st_size, status.st_mtime_ns
        except FileNotFoundError:
            if not folder:
                raise
