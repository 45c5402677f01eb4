"""Rows of many samples in shared files: as many side by side as there are threads, each written in order.

A tile is a row group that is coded already, or some rows of one. A block of samples goes to the same file from part
to part where there are blocks enough, so that a file is of neighbours by name. Columns of which no row has anything are
left out of a file, as the lake lets them be.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from baselake.catalog.job import Job
from baselake.lake.coded import CodedWriter, RowGroup
from baselake.lake.parquet import TableWriter
from baselake.lake.spec import TableSpec

# A file that has so much is closed, and the next one begun. To find one allele takes 0.1 ms for each row group of the
# files that may have it, on top of their footers: where rows are small, a file of these bytes would have thousands.
_FILE_BYTES = 128 << 20
_FILE_TILES = 256
# Columns that every file has: by these rows are found.
_ALWAYS = frozenset({"reference", "sample_id", "contig", "start", "end", "variant_id", "gt", "alt_copies"})


Tile: TypeAlias = RowGroup | pa.Table


class TileWriter:
    """Writes tiles of one contig; use as a context manager.

    Args:
        job: the job.
        spec: the table, as its shared files are written.
        partition: the contig's.
        threads: how many files are written side by side, at most.
    """

    def __init__(
        self, job: Job, spec: TableSpec, partition: dict[str, str | int | None], threads: int
    ) -> None:
        self._job = job
        self._files: list[Path] = []
        self._lanes = [_Lane(job, spec, partition, self._files) for _ in range(threads)]
        self._parts = 0
        self._waiting: deque[Future[None]] = deque()

    def write(self, tiles: Sequence[Callable[[], Tile]]) -> None:
        """Have the tiles of a part made and written, while the caller reads the next; what went wrong with earlier ones
        is raised here.

        As many tiles wait as a part has, and no more, lest they fill the memory.

        Args:
            tiles: make the rows of a block of samples each, with the columns that are there; called in other threads.
                A writer is given row groups alone, or rows alone.

        Raises:
            StorageError: the disk is full or fails.
        """
        for number, rows in enumerate(tiles):
            while len(self._waiting) >= len(tiles):
                self._waiting.popleft().result()
            self._waiting.append(self._lanes[self._lane(number, len(tiles))].submit(rows))
        self._parts += 1

    def _lane(self, number: int, tiles: int) -> int:
        """The file that a block of samples goes to: that of its neighbours, or one of several where blocks are few."""
        together = -(-tiles // len(self._lanes))
        lanes = -(-tiles // together)
        turn = self._parts % (len(self._lanes) // lanes)
        return turn * lanes + number // together

    @property
    def files(self) -> list[Path]:
        """Those that are finished."""
        return list(self._files)

    def __enter__(self) -> "TileWriter":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        failed = kind is not None
        try:
            while self._waiting and not failed:
                self._waiting.popleft().result()
        except BaseException:
            failed = True
            raise
        finally:
            for lane in self._lanes:
                lane.end(keep=not failed)


class _Lane:
    """One file after the other, written by one thread."""

    def __init__(
        self, job: Job, spec: TableSpec, partition: dict[str, str | int | None], files: list[Path]
    ) -> None:
        self._job = job
        self._files = files
        self._spec = spec
        self._partition = partition
        self._pool = ThreadPoolExecutor(1)
        self._out: TableWriter | CodedWriter | None = None
        self._columns: frozenset[str] = frozenset()

    def submit(self, tile: Callable[[], Tile]) -> Future[None]:
        return self._pool.submit(lambda: self._write(tile()))

    def _write(self, tile: Tile) -> None:
        coded = isinstance(tile, RowGroup)
        there = set(tile.columns) if isinstance(tile, RowGroup) else _columns_there(tile)
        there |= _ALWAYS.intersection(self._spec.schema.names)
        if self._out is None or self._is_full() or not there <= self._columns:
            self._close()
            self._columns |= there
            schema = pa.schema([field for field in self._spec.schema if field.name in self._columns])
            begin = self._job.coded_writer_of if coded else self._job.writer_of
            self._out = begin(replace(self._spec, schema=schema), self._partition)
        if isinstance(tile, RowGroup):
            assert isinstance(self._out, CodedWriter)  # a writer's tiles are all of a kind
            self._out.write(tile)
        else:
            assert isinstance(self._out, TableWriter)
            self._out.write(self._with_all(tile))

    def _is_full(self) -> bool:
        out = self._out
        tiles = out.row_groups if isinstance(out, CodedWriter) else 0
        return out is not None and (out.written_bytes >= _FILE_BYTES or tiles >= _FILE_TILES)

    def _with_all(self, rows: pa.Table) -> pa.Table:
        """The rows with every column that the file has."""
        fields = [field for field in self._spec.schema if field.name in self._columns]
        columns = [
            rows[field.name] if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
            for field in fields
        ]
        return pa.Table.from_arrays(columns, [field.name for field in fields])

    def _close(self) -> None:
        if self._out is not None:
            if (done := self._out.close()) is not None:
                self._files.append(done.path)
            self._out = None

    def end(self, *, keep: bool) -> None:
        try:
            if keep:
                self._pool.submit(self._close).result()
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)
            if self._out is not None:
                self._out.abandon()


def _columns_there(rows: pa.Table) -> set[str]:
    return {name for name in rows.column_names if rows[name].null_count < rows.num_rows}
