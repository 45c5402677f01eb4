"""The embedded catalog: one SQLite file in the lake's folder, for one node."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from baselake.catalog.leases import Lease, Use, held_uses, take_lease
from baselake.catalog.locks import commit_lock, held_lock
from baselake.errors import BaselakeError, LakeError
from baselake.lake.partition import LakeLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class Sqlite:
    """See `baselake.catalog.backends.Backend`.

    Attributes:
        layout: where the lake is.
    """

    layout: LakeLayout

    @property
    def where(self) -> str:
        return str(self.layout.catalog)

    @property
    def extension(self) -> str:
        return "sqlite_scanner"

    def exists(self) -> bool:
        return self.layout.catalog.is_file()

    def target(self, private: Path | None = None) -> str:
        return _target(private / self.layout.catalog.name if private is not None else self.layout.catalog)

    def private_copy(self, folder: Path) -> bool:
        # SQLite needs to write beside a database that has a write-ahead log, even to read it.
        files = [self.layout.catalog.with_name(self.layout.catalog.name + suffix) for suffix in ("", "-wal")]
        for _ in range(_COPY_TRIES):
            before = [_stamp(path) for path in files]
            for path in files:
                if path.is_file():
                    shutil.copyfile(path, folder / path.name)
                else:
                    (folder / path.name).unlink(missing_ok=True)
            if [_stamp(path) for path in files] == before:
                return True
        raise LakeError(
            "the catalog was written to each time it was copied",
            self.where,
            "Try again when there are fewer writers",
        )

    def create(self, make: Callable[[str], None]) -> None:
        # Made under another name and renamed when whole: a crash leaves no half lake.
        unfinished = self.layout.unfinished_catalog
        for suffix in ("", "-wal", "-shm", "-journal"):
            unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)
        # Write-ahead logging lets readers go on while a writer commits; SQLite keeps the choice in the file.
        set_pragma(unfinished, "journal_mode = WAL")
        make(_target(unfinished))
        set_pragma(unfinished, "wal_checkpoint(TRUNCATE)")
        os.rename(unfinished, self.layout.catalog)

    @contextmanager
    def commit_lock(self, timeout_seconds: float) -> Iterator[Callable[[], None]]:
        with commit_lock(self.layout.commit_lock, timeout_seconds) as check:
            try:
                yield check
            except (duckdb.Error, BaselakeError):
                self._cut_log()
                raise

    def _cut_log(self) -> None:
        """Take out of the write-ahead log what a commit left there that failed; the commit lock must be held.

        A disk that takes the commit and fails to make it durable has it in the log, behind what counts. SQLite says
        that it failed, and DuckLake removes its files. But who opens the log after the last process that knows where it
        ends, reads all of it, and would find the commit done.
        """
        self._run(
            _CUT,
            "cleared of a commit that failed",
            "See that its disk works and has room, then run: baselake doctor",
        )

    def maintenance_lock(self, timeout_seconds: float) -> AbstractContextManager[None]:
        return held_lock(self.layout.maintenance_lock, "the lake is maintained", timeout_seconds)

    def lease(self, use: Use) -> Lease:
        return take_lease(self.layout.readers, use)

    def uses(self) -> AbstractContextManager[list[Use]]:
        return held_uses(self.layout.readers)

    def tables_query(self) -> str:
        path = str(self.layout.catalog).replace("'", "''")
        return f"SELECT name FROM sqlite_scan('{path}', 'sqlite_master') WHERE type = 'table' ORDER BY name"

    def forget_deleted(self, tables: Sequence[str]) -> None:
        remedy = "End the programs that read the lake, then run the same command again"
        self._run(_FORGET, "rewritten without what was deleted", remedy)

    def _run(self, program: str, purpose: str, remedy: str) -> None:
        # In a process of its own: two SQLite libraries in one process undo each other's locks, and so does who closes
        # one of its files (sqlite.org/howtocorrupt).
        done = subprocess.run(
            [sys.executable, "-c", program, str(self.layout.catalog)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            why = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "killed"
            raise LakeError(f"the catalog cannot be {purpose} ({why})", self.where, remedy)


_COPY_TRIES = 20


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns


# The log is emptied first and last: what was deleted stands in it too. A checkpoint that a reader holds up says so in
# the first column of its answer.
_FORGET = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
database.execute("PRAGMA secure_delete = ON")
database.execute("VACUUM")
if database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
    sys.exit("a reader holds the write-ahead log")
"""


# Where the log ends is in the index that all processes share: sqlite.org/walformat.html, 2.1. A log has 32 bytes, then
# frames of 24 and a page. No reader needs what is behind the last frame that counts, and nobody else writes.
_CUT = """
import os, struct, sys
try:
    with open(sys.argv[1] + "-shm", "rb") as index:
        header = index.read(96)
    length = os.path.getsize(sys.argv[1] + "-wal")
except FileNotFoundError:
    sys.exit()
version, _, _, ready, _, page, frames = struct.unpack("=IIIBBHI", header[:20].ljust(20, bytes(1)))
if version == 3007000 and ready and header[:48] == header[48:]:
    end = 32 + frames * (24 + (65536 if page == 1 else page))
    if length > end:
        os.truncate(sys.argv[1] + "-wal", end)
"""


def _target(path: Path) -> str:
    return f"sqlite:{path}"


def set_pragma(path: Path, pragma: str) -> None:
    """Set a property of an SQLite file that DuckDB does not have open in this process.

    There are two copies of SQLite in it, Python's and DuckDB's: when the one closes a file, the operating system takes
    away the locks that the other holds on it.
    """
    database = sqlite3.connect(path)
    try:
        database.execute(f"PRAGMA {pragma}")
    finally:
        database.close()
