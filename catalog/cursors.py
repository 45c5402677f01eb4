"""Cursors that are used again: to say `USE lake` to a new one costs as much as a small query."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb


def abandon(cursor: duckdb.DuckDBPyConnection) -> None:
    """Close a cursor, and roll back what it began and did not commit.

    To close it alone rolls back too. But where PostgreSQL is away that raises an error in a destructor of DuckDB's,
    which ends the process (1.5.5).
    """
    with suppress(duckdb.Error):  # nothing was begun, or the server is away, and has forgotten it
        cursor.execute("ROLLBACK")
    cursor.close()


class Cursors:
    """Cursors of a connection, each with its `lake` in use; any thread may ask for one."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._idle: list[duckdb.DuckDBPyConnection] = []

    def new(self) -> duckdb.DuckDBPyConnection:
        """A cursor for good."""
        with self._lock:
            cursor = self._connection.cursor()
        cursor.execute("USE lake")
        return cursor

    @contextmanager
    def one(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for a block, which must leave no transaction open; if it raises, what it began is rolled back."""
        with self._lock:
            cursor = self._idle.pop() if self._idle else None
        if cursor is None:
            cursor = self.new()
        try:
            yield cursor
        except BaseException:
            abandon(cursor)
            raise
        with self._lock:
            self._idle.append(cursor)

    def close(self) -> None:
        """Close those that are idle."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()
