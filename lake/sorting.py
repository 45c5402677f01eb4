"""External sort of rows by genomic position, in bounded memory.

Rows are gathered until they fill a quarter of the budget, sorted, and written as one *run*: an Arrow IPC
file (lz4), beside it the sorted keys and the running size in bytes of its rows, both memory-mapped when
read. With those, the size of any key range over all runs is known exactly by binary search, so the output
can be cut into tables of the wanted size after all input has been seen, wherever reads pile up: no bins have
to be guessed beforehand. A table is then made from its row range of every run.

The sort is stable: rows of equal position keep the order in which they were added.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from baselake.errors import InputError
from baselake.lake.parquet import storage_error
from baselake.lake.spills import SpillCipher

# Arrow bytes of one output table. Alignments shrink about five times from Arrow to Parquet, which makes
# files of 50-150 MB: large enough to read fast, small enough to move between tiers and to rewrite.
_TABLE_BYTES = 640 << 20
# A run is sorted column by column: the rows as added, the rows sorted, and one column in one piece. Larger runs
# sort more slowly, 8.7 s a million rows in one run against 3.2 s in runs of 64 MB, for want of processor cache;
# smaller ones make more pieces to gather a table from.
_RUN_BYTES = 1 << 28
_BATCH_BYTES = 1 << 20
_CONTIG_SHIFT = 32
_BLOCK = 512  # numbers of an encrypted file that are read at once


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Rows sorted by key on disk.

    Attributes:
        path: Arrow IPC file.
        batch_rows: rows in each of its record batches, but the last.
        keys: int64; the sorted key of every row.
        sizes: int64; entry i is the bytes of all rows before row i; one more entry than keys.
        cipher: by which the file is read; None: it is plain.
    """

    path: Path
    batch_rows: int
    keys: "_Numbers"
    sizes: "_Numbers"
    cipher: SpillCipher | None

    def rows(self, first: int, last: int) -> Iterator[pa.RecordBatch]:
        """Yields rows `first` to `last` (half-open), reading one record batch at a time."""
        if first == last:
            return
        cipher = self.cipher
        with (
            pa.OSFile(str(self.path))
            if cipher is None
            else pa.PythonFile(cipher.read_from(self.path), "r") as file
        ):
            reader = pa.ipc.open_file(file)
            for index in range(first // self.batch_rows, (last - 1) // self.batch_rows + 1):
                batch = reader.get_batch(index)
                offset = index * self.batch_rows
                a, b = max(first - offset, 0), min(last - offset, batch.num_rows)
                # A slice would keep the whole batch alive, once for every run of a narrow range.
                yield batch if b - a == batch.num_rows else batch.take(pa.array(np.arange(a, b)))


class _Numbers(Protocol):
    """Ascending int64 on disk, of which little is in memory."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, at: int) -> np.int64: ...
    @overload
    def __getitem__(self, at: slice) -> np.ndarray: ...
    def searchsorted(self, value: int, /) -> np.intp:
        """The place of the first number that is not less."""


class _Hidden:
    """Such numbers in an encrypted file; those at the beginning of each of its blocks are in memory."""

    def __init__(self, path: Path, values: np.ndarray, cipher: SpillCipher) -> None:
        with closing(cipher.write_to(path)) as file:
            file.write(values.astype(np.int64).tobytes())
        self._file = cipher.read_from(path)
        self._first = values[::_BLOCK].copy()
        self._count = len(values)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> np.int64: ...
    @overload
    def __getitem__(self, at: slice) -> np.ndarray: ...
    def __getitem__(self, at: int | slice) -> "np.int64 | np.ndarray":
        first, last, _ = at.indices(self._count) if isinstance(at, slice) else (at, at + 1, 1)
        with self._lock:
            self._file.seek(8 * first)
            found = np.frombuffer(self._file.read(8 * max(0, last - first)), np.int64)
        return found if isinstance(at, slice) else np.int64(found[0])

    def searchsorted(self, value: int, /) -> np.intp:
        block = max(0, int(self._first.searchsorted(value)) - 1)
        begin = block * _BLOCK
        return np.intp(begin + self[begin : begin + _BLOCK].searchsorted(value))


class SpillSorter:
    """Sorts more rows than fit in memory by (contig, start).

    Args:
        scratch: an existing private folder; files made here are left for the owner of the folder to remove.
        schema: of the rows; needs `contig` (string) and `start` (int32), any other columns go along.
        contig_order: all contig names, in the order wanted.
        memory_bytes: bound on the bytes held at any time, but for single rows larger than that.
        cipher: hides what is spilled; None: it is plain.
    """

    def __init__(
        self,
        scratch: Path,
        schema: pa.Schema,
        contig_order: Sequence[str],
        memory_bytes: int,
        cipher: SpillCipher | None = None,
    ) -> None:
        self._scratch = scratch
        self._cipher = cipher
        self._schema = schema
        self._contigs = pa.array(contig_order, pa.string())
        self._run_bytes = max(1, min(memory_bytes // 4, _RUN_BYTES))
        self._table_bytes = max(1, min(memory_bytes // 4, _TABLE_BYTES))
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = 0
        self._runs: list[_Run] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes rows in; writes a run when enough are gathered.

        Raises:
            InputError: a row's contig is not in `contig_order`.
            StorageError: the disk is full or fails.
        """
        if not batch.num_rows:
            return
        rows = max(1, int(batch.num_rows * self._run_bytes // max(batch.nbytes, 1)))
        for offset in range(0, batch.num_rows, rows):
            part = batch.slice(offset, rows)
            if self._pending and self._pending_bytes + part.nbytes > self._run_bytes:
                self._spill()
            self._pending.append(part)
            self._pending_bytes += part.nbytes

    def sorted_tables(self) -> Iterator[tuple[str | None, pa.Table]]:
        """Yields all rows in order, as tables that each hold one stretch of one contig.

        Stretches do not overlap, except where the rows of a single position fill several tables. Contigs
        come in `contig_order`, rows without a contig last, with the name None. A contig without rows yields
        nothing. Call once, after the last `add`.

        Raises:
            InputError, StorageError: as `add`.
        """
        self._spill()
        for index in range(len(self._contigs) + 1):
            contig = self._contigs[index].as_py() if index < len(self._contigs) else None
            low, end = index << _CONTIG_SHIFT, (index + 1) << _CONTIG_SHIFT
            while left := self._bytes(low, end):
                tables = -(-left // self._table_bytes)
                high = self._cut(low, end, -(-left // tables))
                if self._bytes(low, high) > self._table_bytes:
                    yield from ((contig, table) for table in self._stream(low, high))
                else:
                    yield contig, self._load(low, high)
                low = high

    def _key(self, batch: pa.RecordBatch) -> np.ndarray:
        contig = pc.index_in(batch["contig"], self._contigs)
        unknown = pc.and_(pc.is_null(contig), pc.is_valid(batch["contig"]))
        if pc.any(unknown).as_py():
            name = batch["contig"].filter(unknown)[0].as_py()
            raise InputError(
                f"contig {name} is not in the reference", remedy="Use the reference the reads were aligned to"
            )
        unplaced = len(self._contigs)
        index = contig.fill_null(unplaced).to_numpy(zero_copy_only=False).astype(np.int64)
        start = batch["start"].fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        # Without a contig there is no position: such rows are all equal, and keep their order.
        return (index << _CONTIG_SHIFT) + np.where(index == unplaced, 0, start + 1)

    def _spill(self) -> None:
        if not self._pending:
            return
        keys = np.concatenate([self._key(batch) for batch in self._pending])
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        table = _take(self._pending, self._schema, order)
        self._pending, self._pending_bytes = [], 0
        sizes = np.concatenate([[0], np.cumsum(_row_bytes(table))])
        batch_rows = max(1, int(len(keys) * _BATCH_BYTES // max(int(sizes[-1]), 1)))
        try:
            self._runs.append(self._write_run(table, keys, sizes, batch_rows))
        except OSError as error:
            raise storage_error(error, self._scratch) from error

    def _write_run(self, table: pa.Table, keys: np.ndarray, sizes: np.ndarray, batch_rows: int) -> _Run:
        stem = self._scratch / f"run-{len(self._runs):05d}"
        path = stem.with_suffix(".arrow")
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with (
            pa.OSFile(str(path), "wb")
            if self._cipher is None
            else pa.PythonFile(self._cipher.write_to(path), "w") as file,
            pa.ipc.new_file(file, self._schema, options=options) as writer,
        ):
            for batch in table.to_batches(max_chunksize=batch_rows):
                writer.write_batch(batch)
        return _Run(
            path=path,
            batch_rows=batch_rows,
            keys=self._on_disk(stem.with_suffix(".keys.npy"), keys),
            sizes=self._on_disk(stem.with_suffix(".sizes.npy"), sizes),
            cipher=self._cipher,
        )

    def _on_disk(self, path: Path, values: np.ndarray) -> _Numbers:
        if self._cipher is not None:
            return _Hidden(path, values, self._cipher)
        np.save(path, values)
        mapped: np.ndarray = np.load(path, mmap_mode="r")
        return mapped

    def _bytes(self, low: int, high: int) -> int:
        return sum(int(run.sizes[last] - run.sizes[first]) for run, first, last in self._ranges(low, high))

    def _cut(self, low: int, end: int, wanted: int) -> int:
        """Finds the largest key in (low, end] with at most `wanted` bytes before it, but past one key."""
        first = min(
            int(run.keys[at]) for run in self._runs if (at := int(run.keys.searchsorted(low))) < len(run.keys)
        )
        low, fits, beyond = first, first + 1, end + 1
        while beyond - fits > 1:
            middle = (fits + beyond) // 2
            if self._bytes(low, middle) <= wanted:
                fits = middle
            else:
                beyond = middle
        return fits

    def _ranges(self, low: int, high: int) -> Iterator[tuple[_Run, int, int]]:
        for run in self._runs:
            yield run, int(run.keys.searchsorted(low)), int(run.keys.searchsorted(high))

    def _load(self, low: int, high: int) -> pa.Table:
        ranges = list(self._ranges(low, high))
        keys = np.concatenate([run.keys[first:last] for run, first, last in ranges])
        batches = [batch for run, first, last in ranges for batch in run.rows(first, last)]
        return _take(batches, self._schema, np.argsort(keys, kind="stable"))

    def _stream(self, low: int, high: int) -> Iterator[pa.Table]:
        """Yields the rows of one key, too many for a table: run after run they are in order already."""
        held: list[pa.RecordBatch] = []
        size = 0
        for batch in (
            batch for run, first, last in self._ranges(low, high) for batch in run.rows(first, last)
        ):
            if held and size + batch.nbytes > self._table_bytes:
                yield pa.Table.from_batches(held, self._schema)
                held, size = [], 0
            held.append(batch)
            size += batch.nbytes
        yield pa.Table.from_batches(held, self._schema)


def _take(batches: list[pa.RecordBatch], schema: pa.Schema, order: np.ndarray) -> pa.Table:
    """Joins batches and reorders them, one column after the other so that only one is held twice."""
    indices = pa.array(order)
    columns = [
        pa.concat_arrays([batch.column(i) for batch in batches]).take(indices) for i in range(len(schema))
    ]
    return pa.table(columns, schema=schema)


def _row_bytes(table: pa.Table) -> np.ndarray:
    """Returns int64 bytes that each row holds in Arrow; null bitmaps count as nothing."""
    sizes = np.zeros(table.num_rows, np.int64)
    for column in table.columns:
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            lengths = pc.binary_length(column).fill_null(0)
            sizes += lengths.to_numpy() + 4
        else:
            sizes += max(1, column.type.bit_width // 8)
    return sizes
