"""The catalog on a PostgreSQL server, for many writers on many nodes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import psycopg.sql

from baselake.errors import LakeError

# The key of the advisory lock, which PostgreSQL keeps by database: the bytes of our name as a number.
_COMMIT_LOCK = int.from_bytes(b"baselake")
_APPLICATION = "baselake commit"


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
    def commit_lock(self, timeout_seconds: float) -> Iterator[None]:
        # A session of its own: the server releases the lock when the connection ends, as it does with the process.
        with self._connection() as connection:
            connection.execute(f"SET lock_timeout = '{max(1, int(timeout_seconds * 1000))}ms'")
            try:
                connection.execute("SELECT pg_advisory_lock(%s)", [_COMMIT_LOCK])
            except psycopg.errors.LockNotAvailable:
                raise LakeError(
                    f"another writer ({self._holder()}) has been committing for {timeout_seconds:.0f} s",
                    self.where,
                    "Wait for it, or end it: an unfinished commit is undone",
                ) from None
            yield

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

    def _holder(self) -> str:
        with self._connection() as connection:
            row = connection.execute(
                "SELECT coalesce(host(a.client_addr), 'this host'), a.pid FROM pg_locks AS l"
                " JOIN pg_stat_activity AS a ON a.pid = l.pid"
                " WHERE l.locktype = 'advisory' AND l.granted"
                " AND (l.classid::bigint << 32 | l.objid::bigint) = %s",
                [_COMMIT_LOCK],
            ).fetchone()
        return f"on {row[0]}, server process {row[1]}" if row is not None else "gone since"

    @contextmanager
    def _connection(self) -> "Iterator[psycopg.Connection[tuple[object, ...]]]":
        try:
            connection = psycopg.connect(
                self.url, autocommit=True, application_name=_APPLICATION, connect_timeout=30
            )
        except psycopg.Error as error:
            raise unreachable(error, self.where) from error
        with connection:
            yield connection


def unreachable(error: Exception, where: str) -> LakeError:
    """The error to raise where the server does not answer."""
    return LakeError(
        f"the catalog's database cannot be reached ({' '.join(str(error).split())})",
        where,
        "See that the server runs and takes this user, then run the same command again",
    )
