"""What becomes of the parts of a file: rows of one contig's variants, genotypes, blocks and records."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from baselake.catalog.job import Job
from baselake.ingest.vcf._reader import BuiltBatch
from baselake.ingest.vcf.source import Part
from baselake.ingest.vcf.tallies import Tallies
from baselake.ingest.vcf.tiles import TileWriter
from baselake.lake.coded import RowGroup, Rows, code_column, equal_runs
from baselake.lake.parquet import TableWriter
from baselake.lake.schema import (
    GENOTYPES,
    IMPORTED_GENOTYPES,
    REFERENCE_BLOCKS,
    SHARED_BLOCKS,
    TILE_SAMPLES,
    VARIANTS,
    VCF_RECORDS,
    TableSpec,
)


class ContigWriter:
    """The files that the rows of one contig go to; use as a context manager.

    Args:
        job: the job.
        threads: how many files of genotypes are written side by side, at most.
        samples: of the imported file.
        constants: what all rows share: reference, source_id and contig.
        tallies: that the genotypes are added to; None: to none.

    Attributes:
        name: the contig.
        records: written since this was last set to 0.
    """

    def __init__(
        self,
        job: Job,
        threads: int,
        samples: Collection[str],
        constants: Mapping[str, str],
        tallies: Tallies | None,
    ) -> None:
        self.name = constants["contig"]
        self.records = 0
        self._constants = constants
        names = sorted(samples)  # as parts number them
        self._samples = pa.array(names, pa.string())
        self._stack = ExitStack()
        self._writer = partial(job.writer, partition=self._partition(VCF_RECORDS))
        self._records: TableWriter | None = None
        self._names = code_column(self._samples)
        self._everywhere = {name: code_column(pa.array([value])) for name, value in constants.items()}
        # By rows of a tile, and by block of samples: what tile after tile has in common.
        self._constant: dict[int, Mapping[str, Rows]] = {}
        self._blocks_of: dict[int, tuple[np.ndarray, Rows]] = {}
        self._alone = len(names) <= 1
        self._tallies = tallies
        spec, lanes = (GENOTYPES, 1) if self._alone else (IMPORTED_GENOTYPES, threads)
        partition = self._partition(GENOTYPES)
        self._genotypes = self._stack.enter_context(TileWriter(job, spec, partition, lanes))
        self._blocks = self._stack.enter_context(TileWriter(job, SHARED_BLOCKS, partition, 1))

    def write(self, part: Part) -> tuple[pa.Table, tuple[int, int] | None]:
        """Write a part; its rows of `variants`, and the span of what samples have in it."""
        records = _table(part["records"])
        self.records += records.num_rows
        if records.num_rows:
            if self._records is None:
                self._records = self._writer(VCF_RECORDS.name)
            self._records.write(_rows(VCF_RECORDS, records, self._constants))
        site = _table(part["site"])
        if site.num_rows:
            own = [pa.record_batch(batch) for batch in part["genotypes"]]
            if self._tallies is not None:
                self._tallies.add(self._constants, site, own, part["gts"])
            if self._alone:
                self._genotypes.write(
                    [partial(self._rows_alone, site, own[0], part["gts"], ascend=part["sorted"])]
                )
            else:
                shared = _Shared(site, part)
                self._genotypes.write([partial(self._tile, shared, rows) for rows in own])
        blocks = _table(part["blocks"])
        if blocks.num_rows:
            self._blocks.write([partial(self._block_rows, blocks)])
        starts = [t["start"].to_numpy() for t in (site, blocks) if t.num_rows]
        span = (int(min(s.min() for s in starts)), int(max(s.max() for s in starts))) if starts else None
        variants = _table(part["variants"])
        return _rows(VARIANTS, variants, self._constants), span

    @property
    def files(self) -> list[Path]:
        """Those of genotypes, once they are finished."""
        return self._genotypes.files

    def _tile(self, shared: "_Shared", own: pa.RecordBatch) -> RowGroup:
        """Rows of a block of samples: in the order of the contig, each site's sample by sample."""
        own = _in_order(own, shared.start, ascend=shared.ascend)
        rows = own.num_rows
        columns = {
            **self._constants_of(rows),
            **shared.rows(*equal_runs(own["site"].to_numpy())),
            "sample_id": self._samples_of(own["sample"].to_numpy()),
        }
        columns["gt"] = Rows(column=shared.gts, index=own["gt"].fill_null(shared.no_gt).to_numpy())
        for name in own.schema.names:
            if name not in ("site", "sample", "gt"):
                columns[name] = Rows(column=code_column(own[name]))
        return RowGroup(rows=rows, columns=columns)

    def _constants_of(self, rows: int) -> Mapping[str, Rows]:
        if rows not in self._constant:
            index, counts = np.zeros(1, np.int32), np.array([rows], np.int32)
            self._constant[rows] = {
                name: Rows(column=column, index=index, counts=counts)
                for name, column in self._everywhere.items()
            }
        return self._constant[rows]

    def _samples_of(self, numbers: np.ndarray) -> Rows:
        block = int(numbers[0])
        known = self._blocks_of.get(block)
        if known is None or not np.array_equal(known[0], numbers):
            known = self._blocks_of[block] = numbers, Rows(column=self._names, index=numbers)
        return known[1]

    def _rows_alone(
        self, site: pa.Table, own: pa.RecordBatch, gts: Sequence[str], *, ascend: bool
    ) -> pa.Table:
        """Rows of the only sample, in the order of the contig."""
        own = _in_order(own, site["start"].to_numpy(), ascend=ascend)
        rows = site.take(own["site"]).append_column("gt", pa.array(gts, pa.string()).take(own["gt"]))
        for name in own.schema.names:
            if name not in ("site", "sample", "gt"):
                rows = rows.append_column(name, own[name])
        rows = rows.append_column("sample_id", self._names_of(own["sample"]))
        return _rows(GENOTYPES, rows, self._constants)

    def _block_rows(self, blocks: pa.Table) -> pa.Table:
        """Rows of reference blocks: those of each block of samples together."""
        which = blocks["sample"].to_numpy() // TILE_SAMPLES
        if which.any():
            blocks = blocks.take(pa.array(np.argsort(which, kind="stable")))
        names = self._names_of(blocks["sample"].combine_chunks())
        rows = blocks.drop_columns(["sample"]).append_column("sample_id", names)
        return _rows(REFERENCE_BLOCKS, rows, self._constants)

    def _names_of(self, numbers: pa.Array) -> pa.DictionaryArray:
        """The samples of some numbers; the dictionary has no others, which would tell of them."""
        values = numbers.to_numpy()
        first, last = int(values.min()), int(values.max())
        names = self._samples.slice(first, last - first + 1)
        return pa.DictionaryArray.from_arrays(pa.array(values - first), names)

    def _partition(self, spec: TableSpec) -> dict[str, str | int | None]:
        return {column: self._constants[column] for column in spec.partition_by}

    def __enter__(self) -> "ContigWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self._stack.__exit__(kind, error, None)
        finally:
            if self._records is not None:
                if kind is None:
                    self._records.close()
                else:
                    self._records.abandon()


def _table(batch: BuiltBatch) -> pa.Table:
    # `pa.table` would look for pandas each time.
    return pa.Table.from_batches([pa.record_batch(batch)])


def _in_order(own: pa.RecordBatch, start: np.ndarray, *, ascend: bool) -> pa.RecordBatch:
    """Rows of samples in the order of the contig, by the `start` of each site; `ascend`: they are already."""
    if ascend:
        return own
    return own.take(pa.array(np.argsort(start[own["site"].to_numpy()], kind="stable")))


def _rows(spec: TableSpec, given: pa.Table, constants: Mapping[str, str]) -> pa.Table:
    """The table's columns, from those given and from values that all rows share; others are NULL."""
    columns = []
    same = np.zeros(given.num_rows, np.int32)
    for wanted in spec.schema:
        if wanted.name in given.column_names:
            columns.append(given[wanted.name].cast(wanted.type))
        elif wanted.name in constants:
            columns.append(pa.DictionaryArray.from_arrays(pa.array(same), pa.array([constants[wanted.name]])))
        else:
            columns.append(pa.nulls(given.num_rows, wanted.type))
    return pa.Table.from_arrays(columns, spec.schema.names)


class _Shared:
    """What the samples of a part share.

    Attributes:
        start: of the rows that every sample has, int32.
        gts: what `gt` numbers, and after it NULL.
        no_gt: the number of that.
        ascend: whether a sample's rows are in the order of the contig as they come.
    """

    def __init__(self, site: pa.Table, part: Part) -> None:
        self.start = site["start"].to_numpy()
        self.gts = code_column(pa.array([*part["gts"], None], pa.string()))
        self.no_gt = len(part["gts"])
        self.ascend = part["sorted"]
        there = [name for name in site.column_names if site[name].null_count < site.num_rows]
        self._columns = {name: code_column(site[name].combine_chunks()) for name in there}
        self._rows: dict[bytes, Mapping[str, Rows]] = {}

    def rows(self, index: np.ndarray, counts: np.ndarray) -> Mapping[str, Rows]:
        """What rows have of a site: `counts` neighbouring ones that of the same, by its number."""
        # Most blocks of samples have as many rows of each.
        alike = index.tobytes() + counts.tobytes()
        if alike not in self._rows:
            self._rows[alike] = {
                name: Rows(column=column, index=index, counts=counts)
                for name, column in self._columns.items()
            }
        return self._rows[alike]
