"""One lane and tile: base calls to rows of `read_records` and `barcode_counts`, in one transaction."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from threading import Lock

import numpy as np
import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.job import Transaction
from baselake.errors import InputError
from baselake.ingest.illumina.assign import LaneBarcodes, assignment_rows
from baselake.ingest.illumina.barcodes import MIN_CLUSTERS, check_orientation, match
from baselake.ingest.illumina.lane_plan import LanePlan, ReadLayout
from baselake.ingest.illumina.run_files import RunFolder
from baselake.ingest.illumina.run_info import RunInfo
from baselake.ingest.illumina.tile import Tile, read_tile
from baselake.ingest.run_source import RunOptions
from baselake.lake.arrays import fixed_strings, string_array
from baselake.lake.schema import BARCODE_COUNTS, READ_RECORDS
from baselake.progress import Task

_TILES = pa.schema(
    [
        ("run_id", pa.string()),
        ("lane", pa.int16()),
        ("tile", pa.int32()),
        ("clusters", pa.int64()),
        ("clusters_pf", pa.int64()),
        ("anomalies", pa.int64()),
        ("needs", pa.string()),
        ("job_id", pa.string()),
        ("committed", pa.timestamp("us", "UTC")),
    ]
)
_TILE_TABLES = ("stored_reads", "barcode_counts", "run_tiles")


class WrongSheetError(InputError):
    """The reads contradict the sample sheet: no tile of the run is to be imported by it."""


@dataclass(slots=True, kw_only=True)
class Lane:
    """What the conversion of a lane's tiles shares.

    Attributes:
        run_id: the run.
        info: its RunInfo.xml.
        plan: what the sheet says of the lane.
        groups: the read group of each of the plan's entries.
        sheet: the sheet's path, for messages.
        assigned: index sequences that `barcode_assignments` has.
        seen: index sequences of tiles that are too few clusters to tell whether they contradict the sheet: of index 1,
            of index 2, and how many clusters have them.
        verified: the reads of tiles with enough clusters were found not to contradict it.
        verifying: held while that is found out.
        committing: held from before a tile looks at `assigned` until it has added to it.
    """

    run_id: str
    info: RunInfo
    plan: LanePlan
    groups: tuple[str, ...]
    sheet: str
    assigned: set[bytes] = field(default_factory=set)
    seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)
    verified: bool = False
    verifying: Lock = field(default_factory=Lock)
    committing: Lock = field(default_factory=Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clusters:
    """The clusters of a tile, told apart.

    Attributes:
        code: int32 [clusters], which of `barcodes`.
        barcodes: the index sequences of the tile.
    """

    code: np.ndarray
    barcodes: LaneBarcodes

    @property
    def entry(self) -> np.ndarray:
        """int32 [clusters], which of the plan's entries; -1: none."""
        return self.barcodes.entry[self.code]


def convert_tile(
    catalog: Catalog,
    folder: RunFolder,
    lane: Lane,
    number: int,
    task: Task,
    *,
    threads: int,
    options: RunOptions,
) -> int:
    """Import a tile; the rows written. A tile that is in the lake is replaced.

    Args:
        catalog: the lake.
        folder: the run folder.
        lane: the tile's lane.
        number: the tile.
        task: counts clusters.
        threads: cores to use.
        options: what may be missing, and which clusters and calls are kept.

    Raises:
        WrongSheetError: the reads say that an index of the sheet is in the wrong orientation.
        InputError, TruncatedInputError, NotFoundError: a file of the tile is not there or not sound.
        StorageError: the lake's disk is full or fails.
    """
    plan, info = lane.plan, lane.info
    tile = read_tile(
        folder,
        plan.lane,
        number,
        threads=threads,
        include_filtered=options.include_filtered,
        no_calls="picard" if options.no_calls == "picard" else "bin",
        lenient="checksums" in options.allow_missing,
        missing_positions="positions" in options.allow_missing,
    )
    clusters = _tell_apart(tile, lane)
    partition: dict[str, str | int | None] = {"run_id": lane.run_id, "lane": plan.lane}
    parameters = {**partition, "tile": number}
    rows = 0
    with catalog.job("ingest", parameters) as job:
        job.inputs.append(f"run:{lane.run_id}:{plan.lane}:{number}")
        job.bytes_near += tile.bytes
        with job.writer("read_records", partition) as out:
            for batch in _read_batches(tile, lane, clusters):
                out.write(batch)
                rows += batch.num_rows
                task.advance(batch.num_rows // len(info.template_reads))
        with job.writer("barcode_counts", partition) as out:
            out.write(_counts(tile, lane, clusters))
        with lane.committing:
            with job.commit() as tx:
                new = _commit_rows(tx, tile, lane, clusters, job.id)
            lane.assigned |= new
    return rows


def _commit_rows(tx: Transaction, tile: Tile, lane: Lane, clusters: _Clusters, job_id: str) -> set[bytes]:
    """Adds the small rows of a tile in place of earlier ones; the index sequences that are newly assigned."""
    place = [lane.run_id, lane.plan.lane, tile.number]
    here = "WHERE run_id = ? AND lane = ? AND tile = ?"
    # What a tile has in any table came in one transaction with its row of `run_tiles`.
    if tx.query(f"SELECT 1 FROM run_tiles {here} LIMIT 1", place).num_rows:
        for table in _TILE_TABLES:
            tx.execute(f"DELETE FROM {table} {here}", place)
    seen = clusters.barcodes
    mine = np.flatnonzero(seen.entry >= 0)
    sequences = np.concatenate([seen.index1[mine], seen.index2[mine]], axis=1)
    new = {key: row for key, row in zip(map(bytes, sequences), mine, strict=True) if key not in lane.assigned}
    fresh = np.fromiter(new.values(), np.int64, len(new))
    barcodes = LaneBarcodes(
        index1=seen.index1[fresh],
        index2=seen.index2[fresh],
        clusters=seen.clusters[fresh],
        entry=seen.entry[fresh],
        mismatches1=seen.mismatches1[fresh],
        mismatches2=seen.mismatches2[fresh],
    )
    tx.insert("barcode_assignments", assignment_rows(lane.run_id, lane.plan.lane, lane.groups, barcodes))
    row = {
        "run_id": lane.run_id,
        "lane": lane.plan.lane,
        "tile": tile.number,
        "clusters": tile.clusters,
        "clusters_pf": tile.clusters_pf,
        "anomalies": tile.anomalies,
        "needs": lane.plan.needs,
        "job_id": job_id,
        "committed": datetime.now(UTC),
    }
    tx.insert("run_tiles", pa.Table.from_pylist([row], schema=_TILES))
    return set(new)


def _cycle_ranges(info: RunInfo, plan: LanePlan) -> tuple[tuple[int, int], tuple[int, int]]:
    """The cycles of the run, 0-based, that tell samples apart: of index 1 and of index 2."""
    found = []
    for place, (start, length) in enumerate((plan.index1, plan.index2)):
        first = info.first_cycle(info.index_reads[place]) - 1 if length else 0
        found.append((first + start, length) if length else (0, 0))
    return found[0], found[1]


def _tell_apart(tile: Tile, lane: Lane) -> _Clusters:
    plan = lane.plan
    code, index1, index2 = tile.calls.group(*_cycle_ranges(lane.info, plan))
    count = np.bincount(code, minlength=len(index1)).astype(np.int64)
    entry, mismatches1, mismatches2 = match(plan, index1, index2)
    with lane.verifying:
        if not lane.verified:
            _verify(lane, index1, index2, count)
    barcodes = LaneBarcodes(
        index1=index1,
        index2=index2,
        clusters=count,
        entry=entry,
        mismatches1=mismatches1,
        mismatches2=mismatches2,
    )
    return _Clusters(code=code, barcodes=barcodes)


def _verify(lane: Lane, index1: np.ndarray, index2: np.ndarray, count: np.ndarray) -> None:
    """Raises WrongSheetError where a tile, and those before that were small, contradict the sheet."""
    lane.seen.append((index1, index2, count))
    all1, all2, counts = (np.concatenate(parts) for parts in zip(*lane.seen, strict=True))
    try:
        check_orientation(lane.plan, all1, all2, counts, lane.sheet)
    except InputError as error:
        raise WrongSheetError(error.what, error.where, error.remedy) from error
    if counts.sum() >= MIN_CLUSTERS:
        lane.verified = True
        lane.seen.clear()


# ---------------------------------------------------------------------------------------------------------
# Rows.


def _read_batches(tile: Tile, lane: Lane, clusters: _Clusters) -> Iterator[pa.RecordBatch]:
    """Rows of `read_records`, a row group at a time: by sample, then as on the flow cell."""
    info, plan = lane.info, lane.plan
    entry = clusters.entry
    none_last = np.where(entry < 0, len(plan.entries), entry).astype(np.uint16)
    order = np.argsort(none_last, kind="stable").astype(np.uint32)
    umi = _Umi(tile, info, plan, entry)
    adapters = _Adapters(tile, info, plan, entry)
    segments = len(info.template_reads)
    step = READ_RECORDS.row_group_rows // segments
    for start in range(0, len(order), step):
        part = order[start : start + step]
        rows = np.repeat(part, segments)
        columns = {
            "run_id": _constant(lane.run_id, len(rows)),
            "lane": pa.repeat(pa.scalar(plan.lane, pa.int16()), len(rows)),
            "name": _names(tile, info, plan, part, segments),
            "segment": pa.array(np.tile(np.arange(1, segments + 1, dtype=np.int8), len(part))),
            "umi": umi.column(part, segments),
            "filtered": pa.array(tile.filtered[rows]),
            "tile": pa.repeat(pa.scalar(tile.number, pa.int32()), len(rows)),
            "adapter_start": adapters.column(part),
        }
        columns |= _calls(tile, info, part)
        columns |= _index_columns(tile, info, rows)
        yield pa.RecordBatch.from_arrays(
            [
                columns[column.name] if column.name in columns else pa.nulls(len(rows), column.type)
                for column in READ_RECORDS.schema
            ],
            names=READ_RECORDS.schema.names,
        )


def _constant(text: str, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([text]))


def _names(tile: Tile, info: RunInfo, plan: LanePlan, part: np.ndarray, segments: int) -> pa.StringArray:
    """INSTRUMENT:RUN:FLOWCELL:LANE:TILE:X:Y, as Illumina's converters write them."""
    prefix = f"{info.instrument}:{info.number}:{info.flowcell}:{plan.lane}:{tile.number}"
    return string_array(*tile.calls.names(part, tile.x, tile.y, prefix, segments))


def _calls(tile: Tile, info: RunInfo, part: np.ndarray) -> dict[str, pa.Array]:
    ranges = [(info.first_cycle(read) - 1, read.cycles) for read in info.template_reads]
    bases, qualities = tile.calls.emit(part, ranges)
    lengths = np.array([read.cycles for read in info.template_reads], np.int32)
    ends = np.cumsum(np.tile(lengths, len(part)), dtype=np.int32)
    offsets = np.concatenate([np.zeros(1, np.int32), ends])
    return {"seq": string_array(offsets, bases), "qual": string_array(offsets, qualities)}


def _index_columns(tile: Tile, info: RunInfo, rows: np.ndarray) -> dict[str, pa.Array]:
    columns = {}
    for number, read in enumerate(info.index_reads[:2], 1):
        bases, qualities = tile.calls.emit(rows, [(info.first_cycle(read) - 1, read.cycles)])
        columns[f"index{number}_seq"] = fixed_strings(bases.reshape(len(rows), read.cycles))
        columns[f"index{number}_qual"] = fixed_strings(qualities.reshape(len(rows), read.cycles))
    return columns


class _Umi:
    """Molecular identifiers, of whose cycles every sample may have its own."""

    def __init__(self, tile: Tile, info: RunInfo, plan: LanePlan, entry: np.ndarray) -> None:
        self._tile = tile
        self._entry = entry
        firsts = {read.number: info.first_cycle(read) - 1 for read in info.reads}
        self._ranges = [
            [(firsts[number] + start, length) for number, start, length in layout.umi]
            for layout in _layouts(plan)
        ]

    def column(self, part: np.ndarray, segments: int) -> pa.Array:
        """The parts of each cluster's identifier, joined by '+' as in read names; NULL where it has none."""
        if not any(self._ranges):
            return pa.nulls(len(part) * segments, pa.string())
        entry = self._entry[part]
        pieces = []
        # Clusters come sample by sample, those of none last.
        for run in np.split(part, np.flatnonzero(np.diff(entry)) + 1):
            ranges = self._ranges[self._entry[run[0]]]
            rows = np.repeat(run, segments)
            pieces.append(self._strings(rows, ranges) if ranges else pa.nulls(len(rows), pa.string()))
        return pa.concat_arrays(pieces)

    def _strings(self, rows: np.ndarray, ranges: list[tuple[int, int]]) -> pa.StringArray:
        parts = []
        for begin, length in ranges:
            bases, _ = self._tile.calls.emit(rows, [(begin, length)])
            parts += [np.full((len(rows), 1), ord("+"), np.uint8), bases.reshape(len(rows), length)]
        return fixed_strings(np.concatenate(parts[1:], axis=1))


class _Adapters:
    """Where the adapters that a sample's sheet names begin in its reads."""

    def __init__(self, tile: Tile, info: RunInfo, plan: LanePlan, entry: np.ndarray) -> None:
        self._tile = tile
        self._entry = entry
        self._firsts = [info.first_cycle(read) - 1 for read in info.template_reads]
        self._layouts = _layouts(plan)

    def column(self, part: np.ndarray) -> pa.Array:
        """The adapter's first base in the cycles kept of each read; NULL where there is none."""
        segments = len(self._firsts)
        if all(layout.adapters is None for layout in self._layouts):
            return pa.nulls(len(part) * segments, pa.int16())
        found = np.full((len(part), segments), -1, np.int16)
        entry = self._entry[part]
        bounds = [0, *(np.flatnonzero(np.diff(entry)) + 1), len(part)]
        for begin, end in pairwise(bounds):
            layout = self._layouts[entry[begin]]
            for segment in range(segments):
                found[begin:end, segment] = self._find(part[begin:end], layout, segment)
        flat = found.reshape(-1)
        return pa.array(flat, mask=flat < 0)

    def _find(self, part: np.ndarray, layout: ReadLayout, segment: int) -> np.ndarray:
        """The first of the read's adapters, -1 for none."""
        best = np.full(len(part), -1, np.int16)
        adapters = layout.adapters
        if adapters is None:
            return best
        start, length = layout.segments[segment]
        for sequence in adapters.sequences[segment]:
            at = self._tile.calls.find_adapter(
                part,
                (self._firsts[segment] + start, length),
                sequence.encode(),
                adapters.stringency,
                adapters.minimum_overlap,
            )
            best = np.where((at >= 0) & ((best < 0) | (at < best)), at, best)
        return best


def _layouts(plan: LanePlan) -> list[ReadLayout]:
    """What is kept of the clusters of each entry; the last, also found at -1, of clusters that are no sample's."""
    return [*(entry.layout for entry in plan.entries), plan.default]


def _counts(tile: Tile, lane: Lane, clusters: _Clusters) -> pa.Table:
    """Rows of `barcode_counts`."""
    info, barcodes = lane.info, clusters.barcodes
    count = len(barcodes.clusters)
    passed = ~tile.filtered
    code = clusters.code[passed]
    pf = np.bincount(code, minlength=count)
    columns: dict[str, object] = {
        "run_id": pa.repeat(pa.scalar(lane.run_id), count),
        "lane": pa.repeat(pa.scalar(lane.plan.lane, pa.int16()), count),
        "tile": pa.repeat(pa.scalar(tile.number, pa.int32()), count),
        "index1_seq": fixed_strings(barcodes.index1),
        "index2_seq": fixed_strings(barcodes.index2),
        "clusters": barcodes.clusters.astype(np.int32),
        "clusters_pf": pf.astype(np.int32),
    }
    layouts = _layouts(lane.plan)
    entry = clusters.entry
    for segment in (0, 1):
        totals = {name: np.zeros(count, np.int64) for name in ("yield", "q30", "quality_sum")}
        if segment < len(info.template_reads):
            first = info.first_cycle(info.template_reads[segment]) - 1
            kept = [layout.segments[segment] for layout in layouts]
            for start, length in set(kept):
                # Sums in float64 are exact here: far below 2^53.
                mine = np.array([one == (start, length) for one in kept])[entry] & passed
                q30, quality = tile.calls.quality((first + start, length))
                here = clusters.code[mine]
                totals["yield"] += np.bincount(here, minlength=count) * length
                totals["q30"] += np.bincount(here, q30[mine], count).astype(np.int64)
                totals["quality_sum"] += np.bincount(here, quality[mine], count).astype(np.int64)
        columns |= {f"{name}_{segment + 1}": values for name, values in totals.items()}
    return pa.table(columns).select(BARCODE_COUNTS.schema.names)
