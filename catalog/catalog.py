"""The lake's catalog: read-only queries from any thread, and jobs that change it."""

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from baselake.catalog import connection as connections
from baselake.catalog.backends import backend_of
from baselake.catalog.cursors import Cursors
from baselake.catalog.decoding import Decoder, StoredAlignments
from baselake.catalog.leases import Lease, Use
from baselake.catalog.snapshots import At
from baselake.catalog.tiers.remote import Remote
from baselake.config import Config, acting_user, check_database_url, keep_setting
from baselake.errors import BaselakeError, ConflictError, InputError, LakeError, NotFoundError
from baselake.lake.partition import LakeLayout

if TYPE_CHECKING:
    import pyarrow as pa

    from baselake.catalog.job import Job, Transaction

_T = TypeVar("_T")
Parameters = Sequence[object] | Mapping[str, object]

_STATEMENTS = Path(__file__).parent / "sql" / "statements"


def statement(name: str) -> str:
    """The text of a query kept in `sql/statements/`."""
    return (_STATEMENTS / f"{name}.sql").read_text()


def _reading_errors() -> tuple[type[Exception], ...]:
    """What DuckDB, the operating system and Arrow raise; Arrow is not loaded for it."""
    arrow = sys.modules.get("pyarrow")
    return (duckdb.Error, OSError) if arrow is None else (duckdb.Error, OSError, arrow.ArrowException)


class Catalog:
    """An open lake. Close it, or use it as a context manager.

    Attributes:
        layout: where things lie.
        config: the lake's settings.
        at: the snapshot that is looked at, as it was asked for; None: always the newest.
        read_only: every change is refused.
    """

    def __init__(
        self, layout: LakeLayout, config: Config, attached: connections.Attached, *, at: At | None = None
    ) -> None:
        self.layout = layout
        self.config = config
        self.at = at
        self.read_only = attached.read_only
        self._connection = attached.connection
        self._snapshot = attached.snapshot
        self._decoder = attached.decoder
        self._private = attached.private
        self._lease: Lease | None = None
        self._cursors = Cursors(attached.connection)
        self._remote = Remote(attached.connection, layout)
        with self.reading():
            self._remote.prepare()

    def query(self, sql: str, params: Parameters = ()) -> "pa.Table":
        """All rows of a query, whose parameters are given by place (`?`) or by name (`$name`).

        Raises:
            LakeError: the snapshot that is looked at has not the tables of this release.
            StorageError: a file that it reads is on a store that does not answer, or must be recalled first.
        """
        with self._asked(sql, params) as cursor:
            return cursor.to_arrow_table()

    def rows(self, sql: str, params: Parameters = ()) -> list[tuple[Any, ...]]:
        """The rows of a query as Python's values, without Arrow: for a few, where that need not be loaded.

        Raises:
            LakeError, StorageError: as `query`.
        """
        with self._asked(sql, params) as cursor:
            return cursor.fetchall()

    @contextmanager
    def _asked(self, sql: str, params: Parameters) -> "Iterator[duckdb.DuckDBPyConnection]":
        try:
            with self.reading():
                self._remote.prepare()
                with self._cursors.one() as cursor:
                    yield self._decoding(partial(cursor.execute, sql, params))
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            if self.at is None:
                raise
            raise LakeError(
                f"the tables of snapshot {self.at} are not those of this release"
                f" ({connections.first_line(error)})",
                str(self.layout.root),
                "Ask for what it has: baselake sql --at",
            ) from error

    def stream(
        self,
        sql: str,
        params: Parameters = (),
        batch_rows: int = 65_536,
        tables: "Mapping[str, pa.Table] | None" = None,
    ) -> "pa.RecordBatchReader":
        """Rows of a query, a batch at a time, in bounded memory.

        Args:
            sql: the query.
            params: its parameters, by place (`?`) or by name (`$name`).
            batch_rows: rows in a batch.
            tables: tables that the query may use beside the lake's.

        Raises:
            StorageError: as `query`, also while the batches are read.
        """
        import pyarrow as pa

        with self.reading():
            self._remote.prepare()
        cursor = self._cursors.new()
        for name, table in (tables or {}).items():
            # A copy of its own: DuckDB 1.5 fails where it would push a join's bloom filter into an Arrow scan.
            cursor.register("given", table.__arrow_c_stream__())
            cursor.execute(f"CREATE TEMP TABLE {name} AS FROM given")
            cursor.unregister("given")
        with self.reading():
            rows = self._decoding(partial(cursor.execute, sql, params)).to_arrow_reader(batch_rows)
        return pa.RecordBatchReader.from_batches(rows.schema, self._batches(rows))

    def records(self, sql: str, params: Parameters = ()) -> "pa.Table":
        """All rows of a query of a stored table, its coded columns decoded.

        It is for many rows of `stored_reads` or `stored_alignments`, of which a query of the view would decode some
        thousand at a time. The query selects coded columns as if they were there, and filename, file_row_number and
        block_row, which the rows returned are without.

        Raises:
            LakeError: as `query`; a block is damaged, or its file is missing.
            NotFoundError: the reference that rows were stored against is not there.
            StorageError: as `query`.
        """
        with self.reading():
            return self._decoder.table(self.query(sql, params))

    def stored_alignments(self, sql: str, params: Parameters = ()) -> StoredAlignments:
        """The rows of such a query of `stored_alignments`, to be decoded wherever it suits, within `reading`.

        Raises:
            LakeError, StorageError: as `query`.
        """
        return StoredAlignments(self.query(sql, params), self._decoder)

    def stream_records(
        self, sql: str, params: Parameters = (), batch_rows: int = 65_536
    ) -> "Iterator[pa.RecordBatch]":
        """Rows of such a query, a batch at a time.

        Raises:
            LakeError, NotFoundError, StorageError: as `records`, while the batches are read.
        """
        for batch in self.stream(sql, params, batch_rows):
            with self.reading():
                decoded = self._decoder.records(batch)
            yield decoded

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of one's own with the lake in use, to be closed."""
        return self._cursors.new()

    def relation(
        self, sql: str, cursor: duckdb.DuckDBPyConnection | None = None
    ) -> duckdb.DuckDBPyRelation | None:
        """A query somebody typed, its rows not yet fetched; None for a statement that has no rows.

        Args:
            sql: the text.
            cursor: asks it, so that it can be interrupted; None: one that ends with the rows.

        Raises:
            InputError: the text is not SQL that this lake can answer.
            StorageError: a file that it reads cannot be read now. Fetching its rows is done within `reading`.
        """
        try:
            with self.reading():
                self._remote.prepare()
                return self._decoding(partial((cursor or self._cursors.new()).sql, sql))
        except duckdb.Error as error:
            text = str(error).strip()
            remedy = "Correct the query; 'SHOW TABLES' and 'DESCRIBE variants' tell what there is"
            if 'near "end"' in text or 'near "references"' in text:
                remedy = 'end and references are words of SQL: write "end" and "references" in double quotes'
            raise InputError(f"SQL: {' '.join(text.split())}", "", remedy) from error

    @contextmanager
    def reading(self) -> Iterator[None]:
        """A block that fetches rows: what DuckDB says of a file that it cannot read becomes an error that helps.

        Raises:
            StorageError: a file is on a store that does not answer, or must be recalled first; the lake's disk or the
                catalog's server fails.
        """
        try:
            yield
        except Exception as error:
            if isinstance(error, BaselakeError) or not isinstance(error, _reading_errors()):
                raise
            explained = (
                self._decoder.failure(error)
                or self._remote.explained(error)
                or connections.away(error, backend_of(self.layout, self.config).where)
            )
            if explained is None:
                raise
            raise explained from error

    def _decoding(self, ask: Callable[[], _T]) -> _T:
        """What a function that asks DuckDB returns; where it needs the decoder's functions, these are made known."""
        try:
            return ask()
        except duckdb.Error as error:
            if not self._decoder.asked_for(error):
                raise
            self._decoder.register(self._connection)
            return ask()

    def _batches(self, rows: "pa.RecordBatchReader") -> "Iterator[pa.RecordBatch]":
        with self.reading():
            yield from rows

    def statement(self, name: str) -> str:
        """The text of a query kept in `sql/statements/`."""
        return statement(name)

    @contextmanager
    def job(self, operation: str, parameters: Mapping[str, object] | None = None) -> "Iterator[Job]":
        """One unit of work; what it wrote is removed unless it was committed.

        Args:
            operation: ingest, align, call, ...: what lineage calls it; empty: no lineage is written.
            parameters: what it was asked to do, for lineage; None values are left out.

        Raises:
            LakeError: the lake is open for reading only, or the catalog's server is away.
            StorageError: the disk is full or fails.
        """
        # Imported here: writing Parquet takes its time to load, and most that open a lake only read.
        from baselake.catalog.job import Job
        from baselake.catalog.leftovers import sweep

        if self.read_only:
            raise LakeError("the lake is open for reading only", str(self.layout.root), "Open it for writing")
        with self.reading():
            self._remote.prepare()
            sweep(self.layout, self._connection, self.config)
            job = Job(self.layout, self._cursors, self._connection, self.config, operation, parameters or {})
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
            connection = connections.connect(self.layout, self.config, read_only=False).connection
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
    def decoder(self) -> Decoder:
        """What decodes the lake's coded columns."""
        return self._decoder

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """DuckDB's connection, for what this class does not do."""
        self._decoder.register(self._connection)
        return self._connection

    def lease(self) -> None:
        """Keep what this connection may read from expiring: its snapshot, or the newest now and all after it.

        `connect` does it. A process that keeps a lake open for weeks does it again when no query of its is under
        way, so that what it no longer reads can go.

        Raises:
            NotFoundError: the snapshot has expired meanwhile.
            LakeError: the catalog cannot be reached.
        """
        snapshot = self._snapshot if self._snapshot is not None else self.newest_snapshot()
        try:
            use = Use(snapshot=snapshot, later=self._snapshot is None)
            lease = backend_of(self.layout, self.config).lease(use)
        except OSError as error:
            # Such as a folder that is mounted read-only. Its owner has to know; it is no reason not to read.
            warnings.warn(
                f"{self.layout.readers}: {error.strerror}: while this reads, snapshots it needs may be expired",
                stacklevel=2,
            )
        else:
            if self._lease is not None:
                self._lease.close()
            self._lease = lease
        if self._snapshot is not None and not self._exists(snapshot):
            raise NotFoundError(
                f"no snapshot {snapshot}",
                str(self.layout.root),
                "List them: baselake sql 'FROM lake.snapshots()'",
            )

    def newest_snapshot(self) -> int:
        """The number of the newest snapshot, whichever this connection shows."""
        ((newest,),) = self.rows("SELECT max(snapshot_id) FROM __ducklake_metadata_lake.ducklake_snapshot")
        return int(newest)

    def _exists(self, snapshot: int) -> bool:
        found = self.rows(
            "SELECT 1 FROM __ducklake_metadata_lake.ducklake_snapshot WHERE snapshot_id = ?", [snapshot]
        )
        return bool(found)

    def close(self) -> None:
        self._cursors.close()
        self._remote.close()
        self._connection.close()
        if self._lease is not None:
            self._lease.close()
        if self._private is not None:
            self._private.cleanup()

    def __enter__(self) -> "Catalog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(
    lake: Path,
    config: Config | None = None,
    *,
    read_only: bool = False,
    at: At | None = None,
    damaged: bool = False,
) -> Catalog:
    """Open the lake in a folder.

    Args:
        lake: the folder.
        config: settings; None reads `baselake.toml` and the environment.
        read_only: refuse every change.
        at: see the lake as it was at this snapshot, by number, name or time, read-only; see
            `baselake.catalog.snapshots.find_snapshot`.
        damaged: open it although what tells its release cannot be read, to mend it.

    Raises:
        NotFoundError: there is no lake, or no such snapshot.
        InputError: `at` is neither a snapshot's number, its name nor a time.
        LakeError: the lake was made by a newer release, or is damaged.
    """
    layout, config = connections.find_lake(lake, config)
    attached = connections.connect(layout, config, read_only=read_only, at=at, damaged=damaged)
    return opened(layout, config, attached, at=at)


def opened(
    layout: LakeLayout, config: Config, attached: connections.Attached, *, at: At | None = None
) -> Catalog:
    """The catalog of a lake that is attached; what it may read is kept from expiring while it is open.

    Raises:
        NotFoundError: the snapshot has expired meanwhile.
        LakeError: the catalog cannot be reached.
    """
    catalog = Catalog(layout, config, attached, at=at)
    try:
        catalog.lease()
    except BaseException:
        catalog.close()
        raise
    return catalog


def create(
    lake: Path, config: Config | None = None, *, catalog: str | None = None, encrypted: bool = False
) -> bool:
    """Make an empty lake in a folder; False where there is one already.

    Args:
        lake: the folder.
        config: settings; None reads `baselake.toml` and the environment.
        catalog: URL of the PostgreSQL database to keep the catalog in, which the lake's settings take down; None:
            what they say already, else SQLite in the folder.
        encrypted: encrypt every file from now on, with keys in this process' keyring, which the lake makes its own.

    Raises:
        ConflictError: the folder holds something that is not a lake, or a lake whose catalog is elsewhere; or the
            keyring is another lake's.
        InputError: the URL is none, or has a password in it.
        LakeError: the database cannot be reached, or the lake was made by a newer release.
        StorageError: there is no keyring.
    """
    layout, config = connections.find_lake(lake, config)
    if catalog is not None and catalog != config.catalog:
        check_database_url(catalog, "--catalog")
        if config.catalog or layout.catalog.exists():
            raise ConflictError(
                f"the lake's catalog is {config.catalog or layout.catalog.name}",
                str(layout.root),
                "Leave --catalog out, or make another lake",
            )
        config = replace(config, catalog=catalog)
    if encrypted:
        connections.refuse_strangers(layout)
        from baselake.lake.keyring import begin_keyring  # imported here: most lakes have none

        identity = begin_keyring(
            config.encrypted, str(layout.root), partial(keep_setting, layout.root, "encrypted")
        )
        config = replace(config, encrypted=identity)
    made = connections.create_lake(layout, config)
    if catalog is not None:
        keep_setting(layout.root, "catalog", catalog)
    return made
