"""The databases that can hold a lake's catalog, behind one small interface."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from baselake.catalog.leases import Lease, Use
from baselake.config import Config
from baselake.lake.partition import LakeLayout


class Backend(Protocol):
    """The database of DuckLake's metadata.

    Attributes:
        where: the database as errors name it: never with a password.
        extension: DuckDB's extension that speaks to it.
    """

    @property
    def where(self) -> str: ...

    @property
    def extension(self) -> str: ...

    def exists(self) -> bool:
        """Whether there is a lake's catalog, whole.

        Raises:
            LakeError: the database cannot be reached.
        """

    def target(self, private: Path | None = None) -> str:
        """What DuckDB attaches, after `ducklake:`.

        Args:
            private: a folder with a copy of the catalog to attach instead.
        """

    def private_copy(self, folder: Path) -> bool:
        """Copy the catalog into a folder, as it is between two commits; False where it is read without.

        Raises:
            LakeError: it was changed again and again meanwhile.
        """

    def create(self, make: Callable[[str], None]) -> None:
        """Make the catalog: `make` is given the target to attach, fills it and detaches it.

        A crash leaves no catalog that `exists`.
        """

    def commit_lock(self, timeout_seconds: float) -> AbstractContextManager[Callable[[], None]]:
        """Hold the catalog-wide commit lock, which ends with the process, however that ends.

        The block is given a check to be made before it commits: a LakeError says that the lock was lost meanwhile.

        Raises:
            LakeError: another writer held it all the time, or the database cannot be reached.
        """

    def maintenance_lock(self, timeout_seconds: float) -> AbstractContextManager[None]:
        """Hold the lock of the one who compacts, expires, cleans or mends; it ends with the process.

        Raises:
            LakeError: another process held it all the time, or the database cannot be reached.
        """

    def lease(self, use: Use) -> Lease:
        """Make known that snapshots are in use, until the lease is closed or its process ends.

        It is waited for while somebody expires snapshots: they are there then, or gone.

        Raises:
            LakeError: the database cannot be reached.
            OSError: the lake's folder cannot be written.
        """

    def uses(self) -> AbstractContextManager[list[Use]]:
        """Every lease there is; while this is held no new one is given.

        Raises:
            LakeError: the database cannot be reached.
        """

    def tables_query(self) -> str:
        """SQL for DuckDB, with a lake attached, that yields the names of all tables of the metadata (`name`)."""

    def forget_deleted(self, tables: Sequence[str]) -> None:
        """Rewrite the database, or these tables of it, so that nothing is left of rows that were deleted or changed.

        Raises:
            LakeError: somebody else uses it all the time.
        """


def backend_of(layout: LakeLayout, config: Config) -> Backend:
    """The database that the settings name: PostgreSQL by its URL, else SQLite in the lake's folder."""
    if config.catalog:
        # Imported where it is needed: an embedded lake starts without PostgreSQL's client.
        from baselake.catalog.backends.postgres import Postgres

        return Postgres(url=config.catalog)
    from baselake.catalog.backends.sqlite import Sqlite

    return Sqlite(layout=layout)
