"""The barcode counts of a lane anew, from its stored reads, for a sheet that tells samples apart by other cycles."""

import numpy as np
import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.job import Job
from baselake.ingest.illumina.lane_plan import LanePlan
from baselake.ingest.illumina.run_info import RunInfo
from baselake.lake.schema import BARCODE_COUNTS

_KEYS = ["tile", "index1_seq", "index2_seq"]
_LAYOUT = """
SELECT index1_start, index1_length, index2_start, index2_length FROM lane_layouts WHERE run_id = ? AND lane = ?
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
        plan: says which index cycles count.

    Returns:
        index1_seq, index2_seq and clusters of all tiles together; None where the counts in the lake are of those
        cycles already, or there are none.
    """
    there = catalog.query(_LAYOUT, [run_id, plan.lane]).to_pylist()
    if not there or tuple(there[0].values()) == (*plan.index1, *plan.index2):
        return None
    parameters = {
        "run_id": run_id,
        "lane": plan.lane,
        "start1": plan.index1[0],
        "length1": plan.index1[1],
        "start2": plan.index2[0],
        "length2": plan.index2[1],
    }
    parts = [_count(batch, info, plan) for batch in catalog.stream(_READS, parameters)]
    if not parts:
        return None
    names = BARCODE_COUNTS.schema.names[len(_KEYS) + 2 :]
    counts = pa.concat_tables(parts).group_by(_KEYS).aggregate([(name, "sum") for name in names])
    counts = counts.rename_columns([*_KEYS, *names])
    columns = {
        "run_id": pa.repeat(pa.scalar(run_id), len(counts)),
        "lane": pa.repeat(pa.scalar(plan.lane), len(counts)),
    } | {name: counts[name] for name in counts.column_names}
    with job.writer("barcode_counts", {"run_id": run_id, "lane": plan.lane}) as out:
        out.write(pa.table(columns).select(BARCODE_COUNTS.schema.names).cast(BARCODE_COUNTS.schema))
    barcodes = counts.group_by(_KEYS[1:]).aggregate([("clusters", "sum")])
    return barcodes.rename_columns([*_KEYS[1:], "clusters"])


def _count(batch: pa.RecordBatch, info: RunInfo, plan: LanePlan) -> pa.Table:
    """The rows' shares of the counts, one row a read."""
    segment = batch["segment"].to_numpy(zero_copy_only=False)
    passed = ~batch["filtered"].to_numpy(zero_copy_only=False)
    first = segment == 1
    columns: dict[str, object] = {key: batch[key] for key in _KEYS}
    columns |= {"clusters": first.astype(np.int64), "clusters_pf": (first & passed).astype(np.int64)}
    quality = _matrix(batch["qual"], max(read.cycles for read in info.template_reads))
    for number in (1, 2):
        rows = (segment == number) & passed
        start, length = (*plan.default.segments, (0, 0))[number - 1]
        kept = quality[:, start : start + length]
        columns |= {
            f"yield_{number}": rows * np.int64(length),
            f"q30_{number}": rows * (kept >= 30).sum(axis=1),
            f"quality_sum_{number}": rows * kept.sum(axis=1, dtype=np.int64),
        }
    return pa.table(columns)


def _matrix(column: pa.StringArray, width: int) -> np.ndarray:
    """Phred of strings of up to `width` characters, uint8 [rows, width]; 0 beyond their ends."""
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
    text = np.frombuffer(column.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    inside = np.arange(width) < np.diff(offsets)[:, None]
    quality = np.zeros((len(column), width), np.uint8)
    quality[inside] = text - 33
    return quality
