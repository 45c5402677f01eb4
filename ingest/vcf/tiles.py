"""Rows of many samples in shared files: as many side by side as there are threads, each written in order.

A tile is a row group. A block of samples goes to the same file from part to part where there are blocks enough, so that
a file is of neighbours by name. Columns of which no row has anything are left out of a file, as the lake lets them be.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from baselake.catalog.job import Job
from baselake.lake.parquet import TableWriter
from baselake.lake.spec import TableSpec

# A file that has so much is closed, and the next one begun.
_FILE_BYTES = 128 << 20
# Columns that every file has: by these rows are found.
_ALWAYS = frozenset({"reference", "sample_id", "contig", "start", "end", "variant_id", "gt", "alt_copies"})


class TileWriter:
    """Writes tiles of one contig; use as a context manager.

    Args:
        job: the job.
        spec: the table, as its shared files are written.
        partition: the contig's.
        threads: how many files are written side by side, at most.
        cut: whether each tile ends a row group, too, or row groups are filled.
    """

    def __init__(
        self, job: Job, spec: TableSpec, partition: dict[str, str | int | None], threads: int, *, cut: bool
    ) -> None:
        self._job = job
        self._files: list[Path] = []
        self._lanes = [_Lane(job, spec, partition, self._files, cut=cut) for _ in range(threads)]
        self._parts = 0
        self._waiting: deque[Future[None]] = deque()

    def write(self, tiles: Sequence[Callable[[], pa.Table]]) -> None:
        """Have the tiles of a part made and written, while the caller reads the next; what went wrong with earlier ones
        is raised here.

        As many tiles wait as a part has, and no more, lest they fill the memory.

        Args:
            tiles: make the rows of a block of samples each, with the columns that are there; called in other threads.

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
        self,
        job: Job,
        spec: TableSpec,
        partition: dict[str, str | int | None],
        files: list[Path],
        *,
        cut: bool,
    ) -> None:
        self._job = job
        self._files = files
        self._spec = spec
        self._partition = partition
        self._cut = cut
        self._pool = ThreadPoolExecutor(1)
        self._out: TableWriter | None = None
        self._columns: frozenset[str] = frozenset()

    def submit(self, rows: Callable[[], pa.Table]) -> Future[None]:
        return self._pool.submit(lambda: self._write(rows()))

    def _write(self, rows: pa.Table) -> None:
        there = {name for name in rows.column_names if rows[name].null_count < rows.num_rows}
        there |= _ALWAYS.intersection(self._spec.schema.names)
        full = self._out is not None and self._out.written_bytes >= _FILE_BYTES
        if self._out is None or full or not there <= self._columns:
            self._close()
            self._columns |= there
            schema = pa.schema([field for field in self._spec.schema if field.name in self._columns])
            self._out = self._job.writer_of(replace(self._spec, schema=schema), self._partition)
        assert self._out is not None
        names = [field.name for field in self._spec.schema if field.name in self._columns]
        columns = [
            rows[name]
            if name in rows.column_names
            else pa.nulls(rows.num_rows, self._spec.schema.field(name).type)
            for name in names
        ]
        self._out.write(pa.Table.from_arrays(columns, names))
        if self._cut:
            self._out.cut()

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
