"""Rows of many samples in shared files: as many side by side as there are threads, each written in order.

A tile is a row group. Columns of which no row has anything are left out of a file, as the lake lets them be.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa

from baselake.catalog.job import Job
from baselake.lake.parquet import TableWriter
from baselake.lake.spec import TableSpec

# A file that has so much is closed, and the next one begun.
_FILE_BYTES = 128 << 20
# Tiles that may wait for each file's writer.
_WAITING = 2
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
        self._lanes = [_Lane(job, spec, partition, cut=cut) for _ in range(threads)]
        self._next = 0
        self._waiting: deque[Future[None]] = deque()

    def write(self, rows: Callable[[], pa.Table]) -> None:
        """Have a tile made and written, while the caller goes on; what went wrong with earlier ones is raised here.

        Args:
            rows: makes the rows, with the columns that are there; called in another thread.

        Raises:
            StorageError: the disk is full or fails.
        """
        while len(self._waiting) >= _WAITING * len(self._lanes):
            self._waiting.popleft().result()
        self._waiting.append(self._lanes[self._next].submit(rows))
        self._next = (self._next + 1) % len(self._lanes)

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
        self, job: Job, spec: TableSpec, partition: dict[str, str | int | None], *, cut: bool
    ) -> None:
        self._job = job
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
            self._out.close()
            self._out = None

    def end(self, *, keep: bool) -> None:
        try:
            if keep:
                self._pool.submit(self._close).result()
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)
            if self._out is not None:
                self._out.abandon()
