"""DuckDB connections with a lake attached, and the creation of a lake."""

import os
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import duckdb

from baselake.catalog.backends import Backend, backend_of
from baselake.catalog.extensions import load_extensions
from baselake.catalog.files import record_forgotten_files, record_old_files
from baselake.config import Config
from baselake.errors import ConflictError, LakeError, NotFoundError
from baselake.lake.partition import LakeLayout

RELEASE = "0.2.0"
SCHEMA_VERSION = 4
_SQL = Path(__file__).parent / "sql"


def connect(
    layout: LakeLayout,
    config: Config,
    *,
    read_only: bool,
    snapshot: int | None = None,
    private: Path | None = None,
) -> duckdb.DuckDBPyConnection:
    """A connection in which the lake is attached as `lake` and in use.

    Args:
        layout: where the lake is.
        config: where its catalog is; threads and memory of DuckDB.
        read_only: refuse every change.
        snapshot: show the lake as it was at this snapshot; implies read-only.
        private: a folder of this process with a copy of the embedded catalog to read instead of the lake's own.

    Raises:
        NotFoundError: there is no lake, or no such snapshot.
        LakeError: the lake was made by a newer release, or its catalog cannot be reached.
    """
    backend = backend_of(layout, config)
    if not backend.exists():
        raise NotFoundError("no lake here", str(layout.root), f"Run: baselake init --lake {layout.root}")
    connection = _duckdb(layout, config, backend)
    options = ["READ_ONLY"] if read_only or snapshot is not None else []
    if snapshot is not None:
        options.append(f"SNAPSHOT_VERSION {int(snapshot)}")
    try:
        _attach(connection, layout, backend.target(private), options)
    except duckdb.Error as error:
        if snapshot is not None and "snapshot" in str(error).lower():
            raise NotFoundError(
                f"no snapshot {snapshot}", str(layout.root), "List them: baselake sql 'FROM lake.snapshots()'"
            ) from error
        raise LakeError(
            f"the catalog cannot be opened ({first_line(error)})",
            backend.where,
            "Restore it from a backup",
        ) from error
    if snapshot is None:
        _check_version(connection, layout)
    return connection


def create_lake(layout: LakeLayout, config: Config) -> bool:
    """Make an empty lake; False where there is one already, whose tables are brought up to this release.

    A crash leaves no half lake.

    Raises:
        ConflictError: the folder holds something that is not a lake.
        LakeError: the lake was made by a newer release, or its catalog cannot be reached.
    """
    _refuse_strangers(layout)
    for folder in (layout.data, layout.references, layout.jobs):
        folder.mkdir(parents=True, exist_ok=True)
    backend = backend_of(layout, config)
    connection = _duckdb(layout, config, backend)
    try:
        with backend.commit_lock(config.commit_timeout_seconds):
            if backend.exists():
                _attach(connection, layout, backend.target(), [])
                if _upgrade(connection, layout):
                    record_old_files(connection, layout)
                return False
            backend.create(partial(_make, connection, layout))
            return True
    finally:
        connection.close()


def _refuse_strangers(layout: LakeLayout) -> None:
    if layout.catalog.is_file() or not layout.root.exists():
        return
    unfinished = layout.unfinished_catalog
    ours = {layout.settings.name, layout.commit_lock.name}
    ours |= {
        folder.name
        for folder in (
            layout.data,
            layout.jobs,
            layout.references,
            layout.scratch,
            layout.objects,
            layout.erasures,
        )
    }
    ours |= {layout.watch_lock.name, layout.run_lock("").parent.name}
    ours |= {unfinished.name + suffix for suffix in ("", "-wal", "-shm", "-journal")}
    strangers = sorted(entry.name for entry in layout.root.iterdir() if entry.name not in ours)
    if strangers:
        raise ConflictError(
            f"the folder is not empty (it holds {strangers[0]})", str(layout.root), "Choose another folder"
        )


def _make(connection: duckdb.DuckDBPyConnection, layout: LakeLayout, target: str) -> None:
    _attach(connection, layout, target, [])
    _migrate(connection, 0)
    record_forgotten_files(connection, layout)
    connection.execute("USE memory")
    connection.execute("DETACH lake")


def _migrate(connection: duckdb.DuckDBPyConnection, version: int) -> None:
    """Bring the tables from a version to this release's, macros and views with them, in one transaction."""
    # DuckDB writes to one database in a transaction; what is made here twice, after a crash, is made once.
    for table in sorted((_SQL / "metadata").glob("*.sql")):
        connection.execute(table.read_text())
    connection.execute("BEGIN")
    for step in sorted((_SQL / "schema").glob("*.sql")):
        number = int(step.name[:4])
        if number > version:
            connection.execute(step.read_text())
            connection.execute(
                "INSERT INTO schema_migrations VALUES (?, ?, ?, ?)",
                [number, step.stem, datetime.now(UTC), RELEASE],
            )
    for folder in ("macros", "views"):
        for statement in sorted((_SQL / folder).glob("*.sql")):
            connection.execute(statement.read_text())
    connection.execute("COMMIT")


def _upgrade(connection: duckdb.DuckDBPyConnection, layout: LakeLayout) -> bool:
    version, release = _version(connection)
    if version > SCHEMA_VERSION:
        raise _newer(layout, version, release)
    if version < SCHEMA_VERSION:
        _migrate(connection, version)
    return version < SCHEMA_VERSION


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without a full stop."""
    return str(error).strip().splitlines()[0].rstrip(".")


def quoted(text: str | Path) -> str:
    """An SQL string literal, for the statements that take no parameters."""
    return "'" + str(text).replace("'", "''") + "'"


def _duckdb(layout: LakeLayout, config: Config, backend: Backend) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        config={
            "threads": config.threads,
            "memory_limit": f"{config.memory_bytes // 2**20}MiB",
            "temp_directory": str(_spill_folder(layout)),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    load_extensions(connection, ("ducklake", backend.extension))
    return connection


def _spill_folder(layout: LakeLayout) -> Path:
    # Beside the lake where that can be written: it may have more room than the system's own folder.
    return (layout.scratch if may_write(layout) else Path(tempfile.gettempdir())) / "duckdb"


def may_write(layout: LakeLayout) -> bool:
    """Whether this user may write into the lake's folder, and its file system is not mounted read-only."""
    folder = layout.root
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


def _attach(
    connection: duckdb.DuckDBPyConnection, layout: LakeLayout, target: str, options: list[str]
) -> None:
    # The data path is given anew each time so that a lake whose folder was moved still opens.
    settings = [
        f"DATA_PATH {quoted(str(layout.data) + os.sep)}",
        "OVERRIDE_DATA_PATH true",
        "DATA_INLINING_ROW_LIMIT 0",
        *options,
    ]
    connection.execute(f"ATTACH {quoted(f'ducklake:{target}')} AS lake ({', '.join(settings)})")
    connection.execute("USE lake")


def _check_version(connection: duckdb.DuckDBPyConnection, layout: LakeLayout) -> None:
    version, release = _version(connection)
    if version > SCHEMA_VERSION:
        raise _newer(layout, version, release)
    if version < SCHEMA_VERSION:
        raise LakeError(
            f"made by baselake {release}, table version {version}; this is {RELEASE}, version {SCHEMA_VERSION}",
            str(layout.root),
            f"Bring its tables up to date: baselake init --lake {layout.root}",
        )


def _version(connection: duckdb.DuckDBPyConnection) -> tuple[int, str]:
    # All of the answer is fetched: until then it stays open, and with it a transaction that holds SQLite's log.
    ((version, release),) = connection.execute(
        "SELECT max(version), max_by(release, version) FROM schema_migrations"
    ).fetchall()
    return version, release


def _newer(layout: LakeLayout, version: int, release: str) -> LakeError:
    return LakeError(
        f"made by baselake {release}, table version {version}; this is {RELEASE}, version {SCHEMA_VERSION}",
        str(layout.root),
        "Upgrade baselake",
    )
