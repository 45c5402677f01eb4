"""The lake's catalog: read-only queries from any thread, and jobs that change it."""

import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from baselake.catalog import connection as connections
from baselake.catalog.backends import backend_of
from baselake.config import Config, acting_user, check_database_url, keep_catalog, load_config
from baselake.errors import ConflictError, InputError, LakeError
from baselake.lake.partition import LakeLayout

if TYPE_CHECKING:
    from baselake.catalog.job import Job, Transaction

Parameters = Sequence[object] | Mapping[str, object]

_STATEMENTS = Path(__file__).parent / "sql" / "statements"


class Catalog:
    """An open lake. Close it, or use it as a context manager.

    Attributes:
        layout: where things lie.
        config: the lake's settings.
        read_only: every change is refused.
    """

    def __init__(
        self,
        layout: LakeLayout,
        config: Config,
        connection: duckdb.DuckDBPyConnection,
        *,
        read_only: bool = False,
        private: "tempfile.TemporaryDirectory[str] | None" = None,
    ) -> None:
        self.layout = layout
        self.config = config
        self.read_only = read_only
        self._private = private
        self._connection = connection
        self._lock = threading.Lock()
        # A cursor's USE costs as much as a small query: those of `query` are kept for the next one.
        self._idle: list[duckdb.DuckDBPyConnection] = []

    def query(self, sql: str, params: Parameters = ()) -> pa.Table:
        """All rows of a query, whose parameters are given by place (`?`) or by name (`$name`)."""
        with self._lock:
            cursor = self._idle.pop() if self._idle else None
        if cursor is None:
            cursor = self._cursor()
        try:
            return cursor.execute(sql, params).to_arrow_table()
        finally:
            with self._lock:
                self._idle.append(cursor)

    def stream(
        self,
        sql: str,
        params: Parameters = (),
        batch_rows: int = 65_536,
        tables: Mapping[str, pa.Table] | None = None,
    ) -> pa.RecordBatchReader:
        """Rows of a query, a batch at a time, in bounded memory.

        Args:
            sql: the query.
            params: its parameters, by place (`?`) or by name (`$name`).
            batch_rows: rows in a batch.
            tables: tables that the query may use beside the lake's.
        """
        cursor = self._cursor()
        for name, table in (tables or {}).items():
            # A copy of its own: DuckDB 1.5 fails where it would push a join's bloom filter into an Arrow scan.
            cursor.register("given", table.__arrow_c_stream__())
            cursor.execute(f"CREATE TEMP TABLE {name} AS FROM given")
            cursor.unregister("given")
        return cursor.execute(sql, params).to_arrow_reader(batch_rows)

    def relation(self, sql: str) -> duckdb.DuckDBPyRelation | None:
        """A query somebody typed, its rows not yet fetched; None for a statement that has no rows.

        Raises:
            InputError: the text is not SQL that this lake can answer.
        """
        cursor = self._cursor()
        # Of a slow query DuckDB would draw a bar on standard output, among the rows.
        cursor.execute("SET enable_progress_bar_print = false")
        try:
            return cursor.sql(sql)
        except duckdb.Error as error:
            text = str(error).strip()
            remedy = "Correct the query; 'SHOW TABLES' and 'DESCRIBE variants' tell what there is"
            if 'near "end"' in text or 'near "references"' in text:
                remedy = 'end and references are words of SQL: write "end" and "references" in double quotes'
            raise InputError(f"SQL: {' '.join(text.split())}", "", remedy) from error

    def statement(self, name: str) -> str:
        """The text of a query kept in `sql/statements/`."""
        return (_STATEMENTS / f"{name}.sql").read_text()

    @contextmanager
    def job(self, operation: str, parameters: Mapping[str, object] | None = None) -> "Iterator[Job]":
        """One unit of work; what it wrote is removed unless it was committed.

        Args:
            operation: ingest, align, call, ...: what lineage calls it; empty: no lineage is written.
            parameters: what it was asked to do, for lineage; None values are left out.

        Raises:
            LakeError: the lake is open for reading only.
            StorageError: the disk is full or fails.
        """
        # Imported here: writing Parquet takes its time to load, and most that open a lake only read.
        from baselake.catalog.job import Job, sweep

        if self.read_only:
            raise LakeError("the lake is open for reading only", str(self.layout.root), "Open it for writing")
        sweep(self.layout, self._connection, self.config)
        job = Job(self.layout, self._connection, self.config, operation, parameters or {})
        try:
            yield job
        finally:
            job.end()

    @contextmanager
    def record(self) -> "Iterator[Transaction]":
        """One transaction of rows that tell how things stand; it is no job and leaves no lineage.

        Raises:
            LakeError: the catalog refused the transaction, or another writer held the lock too long.
        """
        with self.job("") as job, job.commit() as transaction:
            yield transaction

    def audit_read(self, operation: str, parameters: Mapping[str, str]) -> None:
        """Set a query or export down in the audit, before it is answered, where the lake's settings say so.

        Args:
            operation: sql, export vcf, ...
            parameters: what was asked; of samples, words are kept.

        Raises:
            LakeError: the lake cannot be written, so that nobody would know.
        """
        if not self.config.audit_reads:
            return
        from baselake.catalog.audit import append, entry_of, without_samples

        if not connections.may_write(self.layout):
            raise LakeError(
                "reads of this lake are audited, and this user may not write it",
                str(self.layout.root),
                "Ask its keeper for leave to write, or to set audit_reads = false",
            )
        backend = backend_of(self.layout, self.config)
        with backend.commit_lock(self.config.commit_timeout_seconds):
            connection = connections.connect(self.layout, self.config, read_only=False)
            try:
                samples = [value for key, value in parameters.items() if key == "sample"]
                said = without_samples(connection, parameters, samples)
                entry = entry_of(acting_user(os.environ), operation, said, int(time.time()))
                cursor = connection.cursor()
                append(cursor, [(None, entry)])
                cursor.close()
            finally:
                connection.close()

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """DuckDB's connection, for what this class does not do."""
        return self._connection

    def close(self) -> None:
        for cursor in self._idle:
            cursor.close()
        self._connection.close()
        if self._private is not None:
            self._private.cleanup()

    def __enter__(self) -> "Catalog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            cursor = self._connection.cursor()
        cursor.execute("USE lake")
        return cursor


def connect(
    lake: Path, config: Config | None = None, *, read_only: bool = False, snapshot: int | None = None
) -> Catalog:
    """Open the lake in a folder.

    Args:
        lake: the folder.
        config: settings; None reads `baselake.toml` and the environment.
        read_only: refuse every change.
        snapshot: see the lake as it was at this snapshot, read-only.

    Raises:
        NotFoundError: there is no lake, or no such snapshot.
        LakeError: the lake was made by a newer release, or is damaged.
    """
    layout = LakeLayout(lake.resolve())
    config = config if config is not None else load_config(layout.root, os.environ)
    read_only = read_only or snapshot is not None
    private = None
    if not connections.may_write(layout):
        if not read_only:
            raise LakeError(
                "this user may not write the lake",
                str(layout.root),
                "Open it for reading only, or as who may",
            )
        private = _private_copy(layout, config)
    folder = Path(private.name) if private is not None else None
    connection = connections.connect(layout, config, read_only=read_only, snapshot=snapshot, private=folder)
    return Catalog(layout, config, connection, read_only=read_only, private=private)


def _private_copy(layout: LakeLayout, config: Config) -> "tempfile.TemporaryDirectory[str] | None":
    """The embedded catalog in a folder of this process, which is gone with it; None where it needs none."""
    backend = backend_of(layout, config)
    if not backend.exists():
        return None
    folder = tempfile.TemporaryDirectory(prefix="baselake-")
    if backend.private_copy(Path(folder.name)):
        return folder
    folder.cleanup()
    return None


def create(lake: Path, config: Config | None = None, *, catalog: str | None = None) -> bool:
    """Make an empty lake in a folder; False where there is one already.

    Args:
        lake: the folder.
        config: settings; None reads `baselake.toml` and the environment.
        catalog: URL of the PostgreSQL database to keep the catalog in, which the lake's settings take down; None:
            what they say already, else SQLite in the folder.

    Raises:
        ConflictError: the folder holds something that is not a lake, or a lake whose catalog is elsewhere.
        InputError: the URL is none, or has a password in it.
        LakeError: the database cannot be reached, or the lake was made by a newer release.
    """
    layout = LakeLayout(lake.resolve())
    config = config if config is not None else load_config(layout.root, os.environ)
    if catalog is not None and catalog != config.catalog:
        check_database_url(catalog, "--catalog")
        if config.catalog or layout.catalog.exists():
            raise ConflictError(
                f"the lake's catalog is {config.catalog or layout.catalog.name}",
                str(layout.root),
                "Leave --catalog out, or make another lake",
            )
        config = replace(config, catalog=catalog)
    made = connections.create_lake(layout, config)
    if catalog is not None:
        keep_catalog(layout.root, catalog)
    return made
