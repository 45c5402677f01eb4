"""What becomes of the parts of a file: rows of one contig's variants, genotypes, blocks and records."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from baselake.catalog.job import Job
from baselake.ingest.vcf._reader import BuiltBatch
from baselake.ingest.vcf.source import Part
from baselake.ingest.vcf.tallies import Tallies
from baselake.ingest.vcf.tiles import TileWriter
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
        alone = len(names) <= 1
        self._tallies = tallies
        spec, lanes = (GENOTYPES, 1) if alone else (IMPORTED_GENOTYPES, threads)
        partition = self._partition(GENOTYPES)
        self._genotypes = self._stack.enter_context(TileWriter(job, spec, partition, lanes, cut=not alone))
        self._blocks = self._stack.enter_context(TileWriter(job, SHARED_BLOCKS, partition, 1, cut=False))

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
            # What an allele is called is written once, and numbered.
            ids = site["variant_id"].combine_chunks().dictionary_encode()
            site = site.set_column(site.column_names.index("variant_id"), "variant_id", ids)
            own = [_table(batch) for batch in part["genotypes"]]
            if self._tallies is not None:
                self._tallies.add(self._constants, site, own, part["gts"])
            self._genotypes.write(
                [partial(self._genotype_rows, site, rows, part["gts"], part["sorted"]) for rows in own]
            )
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

    def _genotype_rows(self, site: pa.Table, own: pa.Table, gts: Sequence[str], ascend: bool) -> pa.Table:
        """Rows of a block of samples: in the order of the contig, each site's sample by sample."""
        which, number = own["site"].chunk(0), own["sample"].chunk(0)
        # What no row has is no column: the maps would take as long as all else.
        columns = {
            name: own[name].chunk(0)
            for name in own.column_names
            if name not in ("site", "sample") and own[name].null_count < own.num_rows
        }
        columns["gt"] = _used(own["gt"].chunk(0), pa.array(gts, pa.string()))
        columns["sample_id"] = self._names_of(number)
        for name in site.column_names:
            column = site[name].chunk(0)
            if pa.types.is_dictionary(column.type):
                taken = pa.DictionaryArray.from_arrays(_taken(column.indices, which), column.dictionary)
            elif column.null_count == len(column):
                continue
            else:
                taken = _taken(column, which)
            columns[name] = taken
        rows = pa.Table.from_arrays(list(columns.values()), list(columns))
        if not ascend:
            rows = rows.take(pa.array(np.argsort(rows["start"].to_numpy(), kind="stable")))
        alone = len(self._samples) <= 1
        return _rows(GENOTYPES, rows, self._constants, absent=False, coded=not alone)

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


def _rows(
    spec: TableSpec,
    given: pa.Table,
    constants: Mapping[str, str],
    *,
    absent: bool = True,
    coded: bool = False,
) -> pa.Table:
    """The table's columns, from those given and from values that all rows share.

    Args:
        spec: the table.
        given: some columns.
        constants: values of others.
        absent: whether those that are neither come as NULL, or are left out.
        coded: dictionaries are written as they are, since the rows are a row group by themselves. Of several in one,
            Parquet's writer would spell out all but the first.
    """
    columns, names = [], []
    same = np.zeros(given.num_rows, np.int32)
    for wanted in spec.schema:
        if wanted.name in given.column_names:
            column = given[wanted.name]
            kept = column.type == wanted.type or (coded and pa.types.is_dictionary(column.type))
            columns.append(column if kept else column.cast(wanted.type))
        elif wanted.name in constants:
            columns.append(pa.DictionaryArray.from_arrays(pa.array(same), pa.array([constants[wanted.name]])))
        elif absent:
            columns.append(pa.nulls(given.num_rows, wanted.type))
        else:
            continue
        names.append(wanted.name)
    return pa.Table.from_arrays(columns, names)


def _taken(column: pa.Array, places: pa.Array) -> pa.Array:
    # The reader has made both.
    return pc.take(column, places, boundscheck=False)


def _used(numbers: pa.Array, values: pa.Array) -> pa.DictionaryArray:
    """A dictionary of the values that rows have: others would tell what somebody else has."""
    there = np.bincount(numbers.drop_null().to_numpy(), minlength=len(values)) > 0
    if there.all():
        return pa.DictionaryArray.from_arrays(numbers, values)
    places = pa.array(np.cumsum(there, dtype=np.int32) - 1)
    return pa.DictionaryArray.from_arrays(places.take(numbers), values.filter(pa.array(there)))
