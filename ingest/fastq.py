"""FASTQ files into the lake: one job and one transaction for all the files of a call.

Decompressing, parsing and writing Parquet run in threads of their own, joined by short queues, so that memory does
not grow with the input. Whether a file is in the lake already is told by its bytes, and by its decompressed content
at the commit, when nobody else can be adding it.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.job import Job, Transaction
from baselake.errors import ConflictError, InputError, TruncatedInputError
from baselake.ingest.compressed import Digest, file_source_id
from baselake.ingest.fastq_files import FastqUnit, find_fastq, find_units
from baselake.ingest.fastq_reader import FastqReader, ReadBatch
from baselake.ingest.run_records import put_run
from baselake.ingest.run_source import RunDescription
from baselake.ingest.samples import record_sample, record_sex
from baselake.lake.parquet import TableWriter
from baselake.lake.schema import READ_RECORDS
from baselake.progress import QUIET, Progress

# Batches between parser and Parquet writer: two, so that neither waits for the other's hiccups.
_BATCHES_AHEAD = 2
# A writer holds up to one row group, some 25 MB of short reads. A file merged from more lanes than this is written
# as more files rather than with more memory.
_OPEN_WRITERS = 32

_Query = Callable[[str, Sequence[object]], pa.Table]


@dataclass(frozen=True, slots=True, kw_only=True)
class FastqImport:
    """What a call of `ingest_fastq` did.

    Attributes:
        samples: samples of the files given, sorted; undetermined reads have none.
        read_groups: read groups that reads were written to, sorted.
        reads: rows written.
        imported: files that are now in the lake.
        known: files that were in the lake already.
    """

    samples: tuple[str, ...]
    read_groups: tuple[str, ...]
    reads: int
    imported: tuple[Path, ...]
    known: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """The run and lane that reads are of.

    Attributes:
        platform: as SAM's PL spells it; None where nothing tells.
        instrument, flowcell: empty where nothing tells.
    """

    run_id: str
    lane: int | None = None
    platform: str | None = None
    instrument: str = ""
    flowcell: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReadGroup:
    """A row of `read_groups`, and what its row of `runs` needs."""

    read_group_id: str
    sample: str | None
    library: str | None
    barcode: str | None
    origin: _Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class _Imported:
    """A unit whose reads have been written, not yet committed. One entry per file of the unit."""

    unit: FastqUnit
    digests: tuple[Digest, ...]
    records: tuple[int, ...]
    groups: tuple[_ReadGroup, ...]
    reads: int


class _ContentKnownError(Exception):
    """Units whose content turned out to be in the lake, compressed another way: leave them out and start again."""

    def __init__(self, units: Sequence[FastqUnit]) -> None:
        super().__init__(units)
        self.units = units


def ingest_fastq(
    catalog: Catalog,
    paths: Iterable[Path],
    *,
    sample: str | None = None,
    library: str | None = None,
    sex: str | None = None,
    run: RunDescription | None = None,
    progress: Progress = QUIET,
) -> FastqImport:
    """Import FASTQ files: all of them, or none where one is faulty.

    Args:
        catalog: the lake.
        paths: files, plain, gzip or bgzip, or folders of them; mates are found by their read names.
        sample: the sample they are of; None takes it from names as bcl2fastq spells them.
        library: the library; None: the sample's name.
        sex: `male` or `female`, recorded with the sample.
        run: the sequencer's run they are of; None takes it from read names.
        progress: where to show it.

    Raises:
        TruncatedInputError, PairingError, InputError: a file is not FASTQ or not whole, mates do not correspond, two
            files have the same content, or nothing names the sample.
        ConflictError: a file was imported as another sample's, with other mates, or a sample, read group or sex
            contradicts what is in the lake.
        NotFoundError: no such file.
        StorageError: the disk is full, or a file cannot be read.
    """
    units = find_units(find_fastq(paths), sample)
    return ingest_units(catalog, units, library=library, sex=sex, run=run, progress=progress)


def ingest_units(
    catalog: Catalog,
    units: Sequence[FastqUnit],
    *,
    library: str | None = None,
    sex: str | None = None,
    run: RunDescription | None = None,
    declared: Mapping[Path, int] | None = None,
    progress: Progress = QUIET,
) -> FastqImport:
    """Import files whose roles and samples are known: all of them, or none where one is faulty.

    Args:
        catalog: the lake.
        units: the files.
        library: the library; None: the sample's name.
        sex: `male` or `female`, recorded with the sample.
        run: the sequencer's run they are of; None takes it from read names.
        declared: how many reads a file has, where the instrument says so.
        progress: where to show it.

    Raises:
        As `ingest_fastq` does, and TruncatedInputError where a file has another number of reads than declared.
    """
    known = _known_units(catalog.query, units, _source_ids(catalog, units))
    imported: list[_Imported] = []
    while True:
        new = [unit for unit in units if unit not in known]
        try:
            imported = _import_units(catalog, new, library, sex, run, declared or {}, progress) if new else []
            break
        except _ContentKnownError as found:
            known += found.units
    samples = sorted({unit.sample for unit in units if unit.sample is not None})
    if not imported and sex is not None:
        record_sex(catalog, samples, sex)
    for unit in known:
        progress.note(f"{', '.join(path.name for path in unit.files)}: in the lake already")
    return FastqImport(
        samples=tuple(samples),
        read_groups=tuple(sorted({group.read_group_id for done in imported for group in done.groups})),
        reads=sum(done.reads for done in imported),
        imported=tuple(path for done in imported for path in done.unit.files),
        known=tuple(path for unit in known for path in unit.files),
    )


def _import_units(
    catalog: Catalog,
    units: Sequence[FastqUnit],
    library: str | None,
    sex: str | None,
    run: RunDescription | None,
    declared: Mapping[Path, int],
    progress: Progress,
) -> list[_Imported]:
    parameters = {
        "files": sum(len(unit.files) for unit in units),
        "library": library,
        "sex": sex,
        "run_id": run.run_id if run is not None else None,
    }
    with catalog.job("ingest", parameters) as job:
        imported = [_write_unit(job, unit, library, run, progress) for unit in units]
        for done in imported:
            _require_declared(done, declared)
            job.inputs.extend(digest.source_id for digest in done.digests)
            job.bytes_near += sum(digest.bytes for digest in done.digests)
        _refuse_equal_content(imported)
        with job.commit() as tx:
            contents = {
                path: digest.content_id
                for done in imported
                for path, digest in zip(done.unit.files, done.digests, strict=True)
            }
            if known := _known_units(tx.query, [done.unit for done in imported], contents):
                raise _ContentKnownError(known)
            _record(tx, job, imported, sex, run)
    return imported


def _require_declared(done: _Imported, declared: Mapping[Path, int]) -> None:
    for path, records in zip(done.unit.files, done.records, strict=True):
        if declared.get(path, records) != records:
            raise TruncatedInputError(
                f"it has {records:,} reads, where the instrument counted {declared[path]:,}",
                str(path),
                "Copy the file from its source again",
            )


# ---------------------------------------------------------------------------------------------------------
# Writing reads.


@dataclass(slots=True, kw_only=True)
class _LaneWriters:
    """Writers of one unit's reads, one for each read group, the least recently used closed when there are many."""

    job: Job
    open: OrderedDict[str, TableWriter] = field(default_factory=OrderedDict)

    def write(self, group: _ReadGroup, columns: pa.RecordBatch) -> None:
        writer = self.open.pop(group.read_group_id, None)
        if writer is None:
            if len(self.open) == _OPEN_WRITERS:
                self.open.popitem(last=False)[1].close()
            origin = group.origin
            writer = self.job.writer("read_records", {"run_id": origin.run_id, "lane": origin.lane})
        self.open[group.read_group_id] = writer
        writer.write(_rows(group, columns))

    def close(self) -> None:
        while self.open:
            self.open.popitem()[1].close()

    def abandon(self) -> None:
        while self.open:
            self.open.popitem()[1].abandon()


def _write_unit(
    job: Job, unit: FastqUnit, library: str | None, run: RunDescription | None, progress: Progress
) -> _Imported:
    groups: dict[str, _ReadGroup] = {}
    writers = _LaneWriters(job=job)
    reads = 0
    title = f"ingest {' '.join(path.name for path in unit.files)}"
    with (
        progress.task(title, unit="reads") as task,
        ThreadPoolExecutor(1, thread_name_prefix="write") as thread,
        FastqReader(unit.segments, unit.indexes) as reader,
    ):
        writing: deque[Future[None]] = deque()
        try:
            for batch in reader:
                if batch.lane not in groups:
                    groups[batch.lane] = _read_group(unit, batch, library, run)
                if len(writing) == _BATCHES_AHEAD:
                    writing.popleft().result()
                writing.append(thread.submit(writers.write, groups[batch.lane], batch.columns))
                reads += batch.columns.num_rows
                task.advance(batch.columns.num_rows)
            while writing:
                writing.popleft().result()
            writers.close()
        finally:
            thread.shutdown(cancel_futures=True)
            writers.abandon()
        return _Imported(
            unit=unit,
            digests=reader.digests,
            records=reader.records,
            groups=tuple(groups.values()),
            reads=reads,
        )


def _read_group(
    unit: FastqUnit, batch: ReadBatch, library: str | None, run: RunDescription | None
) -> _ReadGroup:
    """The read group of a lane and barcode; reads whose names tell no lane get one for the file, or for the run."""
    origin = _origin(unit, batch.lane, run)
    place = [origin.run_id] if origin.lane is None else [origin.flowcell or origin.run_id, str(origin.lane)]
    owner = unit.sample if unit.sample is not None else "Undetermined"
    return _ReadGroup(
        read_group_id=".".join([owner, *place, *([unit.barcode] if unit.barcode is not None else [])]),
        sample=unit.sample,
        library=library if library is not None else unit.sample,
        barcode=unit.barcode,
        origin=origin,
    )


def _origin(unit: FastqUnit, lane: str, run: RunDescription | None) -> _Origin:
    """Where reads come from, by what their names share (see `ReadBatch.lane`) and by their run."""
    if ":" in lane:
        instrument, number, flowcell, lane_number = lane.split(":")
        named = _Origin(
            run_id=f"{instrument}_{number}_{flowcell}",
            lane=int(lane_number),
            platform="ILLUMINA" if number.isdigit() else "ELEMENT",
            instrument=instrument,
            flowcell=flowcell,
        )
    elif lane:
        flowcell, _, lane_number = lane.rpartition("L")
        named = _Origin(run_id=flowcell, lane=int(lane_number), platform="DNBSEQ", flowcell=flowcell)
    else:
        named = _Origin(
            run_id=run.run_id if run is not None else f"import-{file_source_id(unit.segments[0])[:12]}",
            lane=unit.lane,
        )
    if run is None:
        return named
    return _Origin(
        run_id=run.run_id,
        lane=named.lane,
        platform=run.platform,
        instrument=run.instrument or named.instrument,
        flowcell=named.flowcell or run.flowcell,
    )


def _rows(group: _ReadGroup, columns: pa.RecordBatch) -> pa.RecordBatch:
    """The columns of `read_records`: those the parser gave, those of the lane, and those FASTQ does not have."""
    origin = group.origin
    lane = {"run_id": origin.run_id, "lane": origin.lane, "read_group_id": group.read_group_id}
    arrays = []
    for column in READ_RECORDS.schema:
        if column.name in columns.schema.names:
            arrays.append(columns[column.name])
        else:
            arrays.append(pa.repeat(pa.scalar(lane.get(column.name), column.type), columns.num_rows))
    return pa.RecordBatch.from_arrays(arrays, schema=READ_RECORDS.schema)


# ---------------------------------------------------------------------------------------------------------
# What is in the lake already.


def _source_ids(catalog: Catalog, units: Sequence[FastqUnit]) -> dict[Path, str]:
    """SHA-256 of the files of which one of that size was imported before: no other can be in the lake."""
    sizes = {path: path.stat().st_size for unit in units for path in unit.files}
    sql = "SELECT DISTINCT bytes FROM source_files WHERE list_contains(?, bytes)"
    there = set(catalog.query(sql, [list(sizes.values())])["bytes"].to_pylist())
    return {path: file_source_id(path) for path, size in sizes.items() if size in there}


def _known_units(
    query: _Query, units: Sequence[FastqUnit], identifiers: Mapping[Path, str]
) -> list[FastqUnit]:
    """The units whose files were all imported before.

    Args:
        query: of the catalog, or of the transaction that must not be fooled.
        units: the files.
        identifiers: source_id or content_id of every file that may have been.

    Raises:
        ConflictError: of a unit only some were, or as another sample's, or in another role.
    """
    if not identifiers:
        return []
    rows = query(
        "SELECT source_id, content_id, path, sample_ids, segment, job_id FROM source_files"
        " WHERE list_has_any([source_id, content_id], ?)",
        [list(identifiers.values())],
    ).to_pylist()
    imported = {row[key]: row for row in rows for key in ("source_id", "content_id")}
    return [
        unit
        for unit in units
        if _is_known(unit, [imported.get(identifiers.get(path, "")) for path in unit.files])
    ]


def _is_known(unit: FastqUnit, imported: Sequence[dict[str, Any] | None]) -> bool:
    """Whether the files of a unit were imported before, as their rows in `source_files` tell."""
    wanted = [unit.sample] if unit.sample is not None else []
    jobs = []
    for path, row in zip(unit.files, imported, strict=True):
        if row is None:
            jobs.append("")
            continue
        jobs.append(row["job_id"])
        if row["sample_ids"] != wanted:
            raise ConflictError(
                f"imported before, from {row['path']}, as sample {', '.join(row['sample_ids']) or 'Undetermined'}",
                str(path),
                "Give that sample's name, or leave the file out",
            )
        if row["segment"] != unit.segment_of(path):
            raise ConflictError(
                f"imported before, from {row['path']}, in another role (segment {row['segment'] or 'none'})",
                str(path),
                "Give the files with the mates they were imported with",
            )
    if len(set(jobs)) > 1:
        before = ", ".join(path.name for path, job in zip(unit.files, jobs, strict=True) if job)
        raise ConflictError(
            f"{before} imported before without, or with other mates",
            ", ".join(map(str, unit.files)),
            "Give the files with the mates they were imported with",
        )
    return jobs[0] != ""


def _refuse_equal_content(imported: Sequence[_Imported]) -> None:
    seen: dict[str, Path] = {}
    for done in imported:
        for path, digest in zip(done.unit.files, done.digests, strict=True):
            other = seen.setdefault(digest.content_id, path)
            if other != path:
                raise InputError(f"the same content as {other}", str(path), "Give every file once")


# ---------------------------------------------------------------------------------------------------------
# The transaction.


def _record(
    tx: Transaction, job: Job, imported: Sequence[_Imported], sex: str | None, run: RunDescription | None
) -> None:
    """Adds the rows of runs, samples, read_groups and source_files."""
    groups: dict[str, _ReadGroup] = {}
    for group in (group for done in imported for group in done.groups):
        if groups.setdefault(group.read_group_id, group) != group:
            raise ConflictError(
                "two runs, or two libraries, of one flow cell and lane",
                f"read group {group.read_group_id}",
                "Import them under different samples",
            )
    _record_read_groups(tx, list(groups.values()))
    _record_runs(tx, job, list(groups.values()), run)
    for sample in sorted({done.unit.sample for done in imported if done.unit.sample is not None}):
        record_sample(tx, sample, sex)
    files = []
    for done in imported:
        runs = {group.origin.run_id for group in done.groups}
        for path, digest, records in zip(done.unit.files, done.digests, done.records, strict=True):
            files.append(
                {
                    "source_id": digest.source_id,
                    "content_id": digest.content_id,
                    "path": str(path.resolve()),
                    "format": "fastq",
                    "bytes": digest.bytes,
                    "records": records,
                    "run_id": next(iter(runs)) if len(runs) == 1 else None,
                    "sample_ids": [done.unit.sample] if done.unit.sample is not None else [],
                    "segment": done.unit.segment_of(path),
                    "job_id": job.id,
                }
            )
    tx.insert("source_files", pa.Table.from_pylist(files))


def _record_read_groups(tx: Transaction, groups: Sequence[_ReadGroup]) -> None:
    rows = tx.query(
        "SELECT read_group_id, sample_id, library, run_id, lane FROM read_groups"
        " WHERE list_contains(?, read_group_id)",
        [[group.read_group_id for group in groups]],
    ).to_pylist()
    there = {row["read_group_id"]: row for row in rows}
    new = []
    for group in groups:
        row = {
            "read_group_id": group.read_group_id,
            "id": group.read_group_id,
            "sample_id": group.sample,
            "library": group.library,
            "run_id": group.origin.run_id,
            "lane": group.origin.lane,
            "barcode": group.barcode,
            "platform": group.origin.platform,
            "platform_unit": _platform_unit(group),
        }
        recorded = there.get(group.read_group_id)
        if recorded is None:
            new.append(row)
        elif any(row[key] != value for key, value in recorded.items()):
            raise ConflictError(
                "in the lake already, of sample {sample_id}, library {library}, run {run_id}".format(
                    **recorded
                ),
                f"read group {group.read_group_id}",
                "Give the same --library, or import under another sample",
            )
    tx.insert("read_groups", pa.Table.from_pylist(new))


def _platform_unit(group: _ReadGroup) -> str | None:
    """SAM's PU: flow cell, lane and barcode."""
    parts = [group.origin.flowcell, str(group.origin.lane or ""), group.barcode or ""]
    return ".".join(filter(None, parts)) if group.origin.flowcell else None


def _record_runs(tx: Transaction, job: Job, groups: Sequence[_ReadGroup], run: RunDescription | None) -> None:
    runs = list({group.origin.run_id for group in groups})
    there = tx.query("SELECT run_id FROM runs WHERE list_contains(?, run_id)", [runs])["run_id"].to_pylist()
    new: dict[str, dict[str, object]] = {}
    if run is not None:
        if not there:
            put_run(tx, run, "imported")
        return
    for origin in (group.origin for group in groups if group.origin.run_id not in there):
        new[origin.run_id] = {
            "run_id": origin.run_id,
            "platform": origin.platform,
            "instrument": origin.instrument or None,
            "flowcell": origin.flowcell or None,
            "state": "imported",
            "job_id": job.id,
        }
    tx.insert("runs", pa.Table.from_pylist(list(new.values())))
