"""The barcode counts of a lane anew, from its stored reads, for a sheet that counts other cycles."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from baselake.catalog.catalog import Catalog
from baselake.catalog.job import Job
from baselake.ingest.illumina.barcodes import match
from baselake.ingest.illumina.lane_plan import LanePlan
from baselake.ingest.illumina.override_cycles import Cycles
from baselake.ingest.illumina.run_info import RunInfo
from baselake.lake.arrays import fixed_width
from baselake.lake.schema import BARCODE_COUNTS

_KEYS = ["tile", "index1_seq", "index2_seq"]
_SUMS = [name for name in BARCODE_COUNTS.schema.names if name not in ("run_id", "lane", *_KEYS)]
_ROWS_AT_ONCE = 1 << 20  # rows of sums that are held before they are added up
_LAYOUT = """
SELECT
    index1_start, index1_length, index2_start, index2_length, segment1_start, segment1_length, segment2_start,
    segment2_length
FROM lane_layouts
WHERE run_id = ? AND lane = ?
"""
_GROUPS = """
SELECT segment1_start, segment1_length, segment2_start, segment2_length
FROM read_groups
WHERE run_id = ? AND lane = ?
"""
_READS = """
SELECT
    tile, coalesce(substr(index1_seq, $start1 + 1, $length1), '') AS index1_seq,
    coalesce(substr(index2_seq, $start2 + 1, $length2), '') AS index2_seq, segment, filtered, qual
FROM read_records
WHERE run_id = $run_id AND lane = $lane
"""


def recount_barcodes(
    catalog: Catalog, job: Job, run_id: str, info: RunInfo, plan: LanePlan
) -> pa.Table | None:
    """Write the rows of `barcode_counts` of a lane anew, as files of `job`.

    Args:
        catalog: the lake.
        job: the job that will commit them.
        run_id: the run.
        info: its RunInfo.xml.
        plan: says which index cycles count, and whose reads keep which cycles.

    Returns:
        index1_seq, index2_seq and clusters of all tiles together; None where the counts in the lake are of those
        cycles already, or there are none.
    """
    there = catalog.query(_LAYOUT, [run_id, plan.lane]).to_pylist()
    if not there:
        return None
    index1_start, index1_length, index2_start, index2_length, *default = there[0].values()
    groups = catalog.query(_GROUPS, [run_id, plan.lane]).to_pylist()
    kept = {_segments(values, info) for values in (default, *(list(group.values()) for group in groups))}
    kept |= {plan.default.segments, *(entry.layout.segments for entry in plan.entries)}
    same_keys = (index1_start, index1_length, index2_start, index2_length) == (*plan.index1, *plan.index2)
    # Where all reads keep the same cycles, before and after, it does not matter to the counts whose they are.
    if same_keys and len(kept) == 1:
        return None
    parameters = {
        "run_id": run_id,
        "lane": plan.lane,
        "start1": plan.index1[0],
        "length1": plan.index1[1],
        "start2": plan.index2[0],
        "length2": plan.index2[1],
    }
    counts = _added_up(_count(batch, info, plan) for batch in catalog.stream(_READS, parameters))
    if counts is None:
        return None
    columns = {
        "run_id": pa.repeat(pa.scalar(run_id), len(counts)),
        "lane": pa.repeat(pa.scalar(plan.lane), len(counts)),
    } | {name: counts[name] for name in counts.column_names}
    with job.writer("barcode_counts", {"run_id": run_id, "lane": plan.lane}) as out:
        out.write(pa.table(columns).select(BARCODE_COUNTS.schema.names).cast(BARCODE_COUNTS.schema))
    barcodes = counts.group_by(_KEYS[1:]).aggregate([("clusters", "sum")])
    return barcodes.rename_columns([*_KEYS[1:], "clusters"])


def _segments(values: list[int | None], info: RunInfo) -> tuple[Cycles, ...]:
    """What is kept of each segment, from the columns that say so where it is not all."""
    kept = []
    for read, start, length in zip(info.template_reads, values[::2], values[1::2], strict=False):
        kept.append((start or 0, length) if length is not None else (0, read.cycles))
    return tuple(kept)


def _added_up(parts: Iterable[pa.Table]) -> pa.Table | None:
    """One row to a key; None where there are no parts."""
    held: list[pa.Table] = []
    rows = 0
    for part in parts:
        held.append(_sums([part]))
        rows += len(held[-1])
        if rows > _ROWS_AT_ONCE and len(held) > 1:
            held = [_sums(held)]
            rows = 0
    return _sums(held) if held else None


def _sums(parts: list[pa.Table]) -> pa.Table:
    counts = pa.concat_tables(parts).group_by(_KEYS).aggregate([(name, "sum") for name in _SUMS])
    return counts.rename_columns([*_KEYS, *_SUMS])


def _count(batch: pa.RecordBatch, info: RunInfo, plan: LanePlan) -> pa.Table:
    """The rows' shares of the counts, one row a read."""
    segment = batch["segment"].to_numpy(zero_copy_only=False)
    passed = ~batch["filtered"].to_numpy(zero_copy_only=False)
    first = segment == 1
    columns: dict[str, object] = {key: batch[key] for key in _KEYS}
    columns |= {"clusters": first.astype(np.int64), "clusters_pf": (first & passed).astype(np.int64)}
    quality = _matrix(batch["qual"], max(read.cycles for read in info.template_reads))
    layouts = [*(entry.layout for entry in plan.entries), plan.default]  # -1: of no sample
    entry = _entries(batch, plan)
    for number in (1, 2):
        totals = {name: np.zeros(len(segment), np.int64) for name in ("yield", "q30", "quality_sum")}
        kept = [(*layout.segments, (0, 0))[number - 1] for layout in layouts]
        for start, length in set(kept):
            cycles = np.array([one == (start, length) for one in kept])
            rows = np.flatnonzero((segment == number) & passed & cycles[entry])
            scores = quality[rows, start : start + length]
            totals["yield"][rows] = length
            totals["q30"][rows] = (scores >= 30).sum(axis=1)
            totals["quality_sum"][rows] = scores.sum(axis=1, dtype=np.int64)
        columns |= {f"{name}_{number}": values for name, values in totals.items()}
    return pa.table(columns)


def _entries(batch: pa.RecordBatch, plan: LanePlan) -> np.ndarray:
    """int32 [rows], which of the plan's entries; -1: none."""
    barcodes = pc.binary_join_element_wise(batch["index1_seq"], batch["index2_seq"], "").dictionary_encode()
    length1, length2 = plan.index1[1], plan.index2[1]
    letters = fixed_width(pa.chunked_array([barcodes.dictionary]), length1 + length2)
    entry, _, _ = match(
        plan, np.ascontiguousarray(letters[:, :length1]), np.ascontiguousarray(letters[:, length1:])
    )
    return entry[barcodes.indices.to_numpy()]


def _matrix(column: pa.StringArray, width: int) -> np.ndarray:
    """Phred of strings of up to `width` characters, uint8 [rows, width]; 0 beyond their ends."""
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
    text = np.frombuffer(column.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    inside = np.arange(width) < np.diff(offsets)[:, None]
    quality = np.zeros((len(column), width), np.uint8)
    quality[inside] = text - 33
    return quality
