"""Reference blocks of a sample: those of the parts of a contig joined, gaps between parts stated, rows of the table."""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from baselake.catalog.job import Job
from baselake.compute.pileup import GAPS, GQ_BANDS
from baselake.compute.ploidy import PloidySegment
from baselake.lake.parquet import TableWriter
from baselake.lake.region import Region
from baselake.lake.schema import REFERENCE_BLOCKS

_NO_READS = GAPS.index("no_usable_reads")
_COLUMNS = ("start", "end", "ploidy", "gap", "gq", "min_dp", "dp_sum")

Columns = dict[str, np.ndarray]


class BlockWriter:
    """Writes the reference blocks of one contig of a sample, in order.

    Blocks that meet where a contig was cut into parts become one, so that what is written does not depend on the cuts.
    Bases that are to be called and lie in no part have no alignments: they are written as gaps.
    """

    def __init__(
        self, job: Job, reference: str, sample: str, contig: str, segments: Sequence[PloidySegment]
    ) -> None:
        """Begin.

        Args:
            job: the job that calls.
            reference: its name.
            sample: its id.
            contig: its name.
            segments: the stretches of it that are to be called, in order.
        """
        self._keys = {"reference": reference, "sample_id": sample, "contig": contig}
        self._job = job
        self._segments = segments
        self._at = 0
        self._last: Columns | None = None  # one block that the next may go on with
        self._writer: TableWriter | None = None

    def keep(self, rows: pa.Table) -> None:
        """Write rows of the table as they are: blocks of earlier calls beside a region that is called again."""
        self._flush()
        if rows.num_rows:
            self._write(rows)

    def add(self, where: Region, ploidy: int, blocks: pa.Table) -> None:
        """Add the blocks of a part, as `RegionCalls` has them."""
        self._fill(where.start)
        columns = {name: blocks[name].to_numpy() for name in _COLUMNS if name != "ploidy"}
        self._push(columns | {"ploidy": np.full(blocks.num_rows, ploidy, np.int8)})
        self._at = where.end

    def finish(self) -> None:
        """State what gaps are left, and write what was held back."""
        self._fill(max((segment.end for segment in self._segments), default=0))
        self._flush()

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()

    def _fill(self, end: int) -> None:
        for segment in self._segments:
            start, stop = max(segment.start, self._at), min(segment.end, end)
            if start < stop:
                gap = {"start": start, "end": stop, "ploidy": segment.ploidy, "gap": _NO_READS}
                self._push({name: np.array([gap.get(name, 0)]) for name in _COLUMNS})

    def _push(self, blocks: Columns) -> None:
        if not len(blocks["start"]):
            return
        if self._last is not None:
            if self._goes_on(blocks):
                blocks = _joined(self._last, blocks)
            else:
                self._write(self._rows(self._last))
        if len(blocks["start"]) > 1:
            self._write(self._rows({name: values[:-1] for name, values in blocks.items()}))
        self._last = {name: values[-1:] for name, values in blocks.items()}

    def _goes_on(self, blocks: Columns) -> bool:
        assert self._last is not None  # asked only then
        last = {name: value[0] for name, value in self._last.items()}
        first = {name: values[0] for name, values in blocks.items()}
        return bool(
            last["end"] == first["start"]
            and all(last[name] == first[name] for name in ("gap", "ploidy"))
            and bisect_right(GQ_BANDS, last["gq"]) == bisect_right(GQ_BANDS, first["gq"])
        )

    def _flush(self) -> None:
        if self._last is not None:
            self._write(self._rows(self._last))
            self._last = None

    def _rows(self, blocks: Columns) -> pa.Table:
        n = len(blocks["start"])
        depth = blocks["dp_sum"] // (blocks["end"] - blocks["start"])
        names = np.array(["" if gap is None else gap for gap in GAPS])[blocks["gap"]]
        columns = {name: pa.repeat(value, n) for name, value in self._keys.items()} | {
            "gap": pa.array(names, pa.string(), mask=blocks["gap"] == 0),
            "dp": pa.array(depth.astype(np.int32)),
            "ploidy": pa.array(blocks["ploidy"].astype(np.int8)),
            **{name: pa.array(blocks[name].astype(np.int32)) for name in ("start", "end", "gq", "min_dp")},
        }
        names_of = REFERENCE_BLOCKS.schema.names
        return pa.table([columns[name] for name in names_of], schema=REFERENCE_BLOCKS.schema)

    def _write(self, rows: pa.Table) -> None:
        if self._writer is None:
            keys = {column: self._keys[column] for column in REFERENCE_BLOCKS.partition_by}
            self._writer = self._job.writer("reference_blocks", keys)
        self._writer.write(rows)


def _joined(last: Columns, blocks: Columns) -> Columns:
    """Blocks, the first of them made one with that before it."""
    first = {name: values[0] for name, values in blocks.items()}
    before = {name: values[0] for name, values in last.items()}
    joined = {
        "start": before["start"],
        "gq": min(before["gq"], first["gq"]),
        "min_dp": min(before["min_dp"], first["min_dp"]),
        "dp_sum": before["dp_sum"] + first["dp_sum"],
    }
    return {
        name: np.concatenate([[joined.get(name, first[name])], values[1:]]) for name, values in blocks.items()
    }
