"""The embedded catalog: one SQLite file in the lake's folder, for one node."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from baselake.catalog.leases import Lease, Use, held_uses, take_lease
from baselake.catalog.locks import commit_lock, held_lock
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

    def target(self) -> str:
        return _target(self.layout.catalog)

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

    def commit_lock(self, timeout_seconds: float) -> AbstractContextManager[None]:
        return commit_lock(self.layout.commit_lock, timeout_seconds)

    def maintenance_lock(self, timeout_seconds: float) -> AbstractContextManager[None]:
        return held_lock(self.layout.maintenance_lock, "the lake is maintained", timeout_seconds)

    def lease(self, use: Use) -> Lease:
        return take_lease(self.layout.readers, use)

    def uses(self) -> AbstractContextManager[list[Use]]:
        return held_uses(self.layout.readers)


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
