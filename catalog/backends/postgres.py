"""The catalog on a PostgreSQL server, for many writers on many nodes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import psycopg.sql

from baselake.catalog.leases import Lease, Use
from baselake.errors import LakeError

# The keys of advisory locks, which PostgreSQL keeps by database: bytes of our name as a number.
_COMMIT_LOCK = int.from_bytes(b"baselake")
_MAINTENANCE_LOCK = int.from_bytes(b"bl-maint")
_GATE = int.from_bytes(b"bl-gate!")
# Of locks with two keys, the other being a snapshot: one snapshot, or that and all later ones.
_AT, _FROM = int.from_bytes(b"bl-@"), int.from_bytes(b"bl->")
_APPLICATION = "baselake"


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """See `baselake.catalog.backends.Backend`.

    Attributes:
        url: `postgresql://user@host:port/database`, as libpq reads it; the password comes from PGPASSWORD, ~/.pgpass
            or a service file, and is never kept.
    """

    url: str

    @property
    def where(self) -> str:
        return self.url

    @property
    def extension(self) -> str:
        return "postgres_scanner"

    def exists(self) -> bool:
        with self._connection() as connection:
            # DuckLake makes its own tables first: they alone are the remains of an `init` that died.
            if connection.execute("SELECT to_regclass('ducklake_table')").fetchone() == (None,):
                return False
            done = connection.execute(
                "SELECT 1 FROM ducklake_table WHERE table_name = 'schema_migrations'"
            ).fetchone()
        return done is not None

    def private_copy(self, folder: Path) -> bool:
        return False

    def target(self, private: Path | None = None) -> str:
        return f"postgres:{self.url}"

    def create(self, make: Callable[[str], None]) -> None:
        make(self.target())

    @contextmanager
    def commit_lock(self, timeout_seconds: float) -> Iterator[Callable[[], None]]:
        with self._session_lock(_COMMIT_LOCK, timeout_seconds) as (connection, holder):
            if holder is not None:
                raise LakeError(
                    f"another writer ({holder}) has been committing for {timeout_seconds:.0f} s",
                    self.where,
                    "Wait for it, or end it: an unfinished commit is undone",
                )

            def check() -> None:
                # A server that was restarted has let the lock go, and DuckDB connects again without a word.
                try:
                    connection.execute("SELECT 1")
                except psycopg.Error as error:
                    raise unreachable(error, self.where) from error

            yield check

    @contextmanager
    def maintenance_lock(self, timeout_seconds: float) -> Iterator[None]:
        with self._session_lock(_MAINTENANCE_LOCK, timeout_seconds) as (_, holder):
            if holder is not None:
                raise LakeError(
                    f"the lake is maintained by another process ({holder})",
                    self.where,
                    "Wait until it is done, or end it",
                )
            yield

    def lease(self, use: Use) -> Lease:
        connection = self._connect()
        try:
            connection.execute("SELECT pg_advisory_lock_shared(%s)", [_GATE])
            connection.execute(
                "SELECT pg_advisory_lock_shared(%s, %s)", [_FROM if use.later else _AT, use.snapshot]
            )
            connection.execute("SELECT pg_advisory_unlock_shared(%s)", [_GATE])
        except psycopg.Error as error:
            connection.close()
            raise unreachable(error, self.where) from error
        return Lease(connection.close)

    @contextmanager
    def uses(self) -> Iterator[list[Use]]:
        with self._connection() as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [_GATE])
            rows = connection.execute(
                "SELECT DISTINCT classid::bigint, objid::bigint FROM pg_locks"
                " WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid::bigint = ANY(%s)"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                [[_AT, _FROM]],
            ).fetchall()
            yield [Use(snapshot=int(str(row[1])), later=row[0] == _FROM) for row in rows]

    @contextmanager
    def _session_lock(
        self, key: int, timeout_seconds: float
    ) -> "Iterator[tuple[psycopg.Connection[tuple[object, ...]], str | None]]":
        """Hold a lock, or learn who had it all the time; with it the session that holds it."""
        # A session of its own: the server releases the lock when the connection ends, as it does with the process.
        with self._connection() as connection:
            connection.execute(f"SET lock_timeout = '{max(1, int(timeout_seconds * 1000))}ms'")
            try:
                connection.execute("SELECT pg_advisory_lock(%s)", [key])
                holder = None
            except psycopg.errors.LockNotAvailable:
                holder = self._holder(key)
            yield connection, holder

    def tables_query(self) -> str:
        inner = (
            "SELECT table_name AS name FROM information_schema.tables"
            " WHERE table_schema = current_schema() AND table_type = ''BASE TABLE''"
        )
        return f"SELECT name FROM postgres_query('__ducklake_metadata_lake', '{inner}') ORDER BY name"

    def forget_deleted(self, tables: Sequence[str]) -> None:
        with self._connection() as connection:
            connection.execute("SET lock_timeout = '60s'")
            for table in tables:
                statement = psycopg.sql.SQL("VACUUM (FULL, ANALYZE) {}").format(psycopg.sql.Identifier(table))
                try:
                    connection.execute(statement)
                except psycopg.errors.LockNotAvailable:
                    raise LakeError(
                        f"a reader holds the catalog's table {table}",
                        self.where,
                        "End the programs that read the lake, then run the same command again",
                    ) from None

    def _holder(self, key: int) -> str:
        with self._connection() as connection:
            row = connection.execute(
                "SELECT coalesce(host(a.client_addr), 'this host'), a.pid FROM pg_locks AS l"
                " JOIN pg_stat_activity AS a ON a.pid = l.pid"
                " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
                " AND (l.classid::bigint << 32 | l.objid::bigint) = %s",
                [key],
            ).fetchone()
        return f"on {row[0]}, server process {row[1]}" if row is not None else "gone since"

    @contextmanager
    def _connection(self) -> "Iterator[psycopg.Connection[tuple[object, ...]]]":
        try:
            with self._connect() as connection:
                yield connection
        except psycopg.Error as error:  # the server went away, as when it is restarted
            raise unreachable(error, self.where) from error

    def _connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        try:
            return psycopg.connect(
                self.url, autocommit=True, application_name=_APPLICATION, connect_timeout=30
            )
        except psycopg.Error as error:
            raise unreachable(error, self.where) from error


def unreachable(error: Exception, where: str) -> LakeError:
    """The error to raise where the server does not answer."""
    return LakeError(
        f"the catalog's database cannot be reached ({' '.join(str(error).split())})",
        where,
        "See that the server runs and takes this user, then run the same command again",
    )
