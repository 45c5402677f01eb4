"""One lane and tile: base calls to rows of `read_records` and `barcode_counts`, in one transaction."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

import numpy as np
import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.job import Transaction
from baselake.errors import InputError
from baselake.ingest.illumina.assign import LaneBarcodes, assignment_rows
from baselake.ingest.illumina.barcodes import MIN_CLUSTERS, check_orientation, match
from baselake.ingest.illumina.lane_plan import LanePlan
from baselake.ingest.illumina.rows import coded_rows, layouts_of
from baselake.ingest.illumina.run_files import RunFolder
from baselake.ingest.illumina.run_info import RunInfo
from baselake.ingest.illumina.tile import Tile, read_tile
from baselake.ingest.run_source import RunOptions
from baselake.lake.arrays import fixed_strings
from baselake.lake.schema import BARCODE_COUNTS
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
            for group in coded_rows(tile, lane.run_id, info, plan, clusters.entry, out.quality_bins):
                out.write_coded(group)
                rows += group.num_rows
                task.advance(group.num_rows // len(info.template_reads))
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


def _counts(tile: Tile, lane: Lane, clusters: _Clusters) -> pa.Table:
    """Rows of `barcode_counts`."""
    info, barcodes = lane.info, clusters.barcodes
    count = len(barcodes.clusters)
    passed = ~tile.filtered
    pf = np.bincount(clusters.code[passed], minlength=count)
    columns: dict[str, object] = {
        "run_id": pa.repeat(pa.scalar(lane.run_id), count),
        "lane": pa.repeat(pa.scalar(lane.plan.lane, pa.int16()), count),
        "tile": pa.repeat(pa.scalar(tile.number, pa.int32()), count),
        "index1_seq": fixed_strings(barcodes.index1),
        "index2_seq": fixed_strings(barcodes.index2),
        "clusters": barcodes.clusters.astype(np.int32),
        "clusters_pf": pf.astype(np.int32),
    }
    layouts = layouts_of(lane.plan)
    for segment in (0, 1):
        totals = {name: np.zeros(count, np.int64) for name in ("yield", "q30", "quality_sum")}
        if segment < len(info.template_reads):
            first = info.first_cycle(info.template_reads[segment]) - 1
            kept = [layout.segments[segment] for layout in layouts]
            for start, length in set(kept):
                here = np.array([one == (start, length) for one in kept])[barcodes.entry]
                mine = passed if here.all() else passed & here[clusters.code]
                q30, quality = tile.calls.quality((first + start, length), clusters.code, count, mine)
                totals["yield"] += np.where(here, pf, 0) * length
                totals["q30"] += q30
                totals["quality_sum"] += quality
        columns |= {f"{name}_{segment + 1}": values for name, values in totals.items()}
    return pa.table(columns).select(BARCODE_COUNTS.schema.names)
