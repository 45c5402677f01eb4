"""DuckDB connections with a lake attached, and the creation of a lake."""

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from baselake.catalog.extensions import load_extensions
from baselake.catalog.locks import commit_lock
from baselake.catalog.snapshots import At, find_snapshot
from baselake.config import Config
from baselake.errors import ConflictError, LakeError, NotFoundError
from baselake.lake.partition import LakeLayout

RELEASE = "0.2.0"
SCHEMA_VERSION = 3
_SQL = Path(__file__).parent / "sql"


def connect(
    layout: LakeLayout, config: Config, *, read_only: bool, at: At | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection in which the lake is attached as `lake` and in use.

    Args:
        layout: where the lake is.
        config: threads and memory of DuckDB.
        read_only: refuse every change.
        at: show the lake as it was at this snapshot; implies read-only.

    Raises:
        NotFoundError: there is no lake, or no such snapshot.
        InputError: `at` is neither a snapshot's number, its name nor a time.
        LakeError: the lake was made by a newer release.
    """
    if not layout.catalog.is_file():
        raise NotFoundError("no lake here", str(layout.root), f"Run: baselake init --lake {layout.root}")
    connection = _duckdb(layout, config)
    options = ["READ_ONLY"] if read_only or at is not None else []
    try:
        _attach(connection, layout, layout.catalog, options)
    except duckdb.Error as error:
        raise LakeError(
            f"the catalog cannot be opened ({first_line(error)})",
            str(layout.catalog),
            "Restore it from a backup",
        ) from error
    _check_version(connection, layout)
    if at is not None:
        snapshot = find_snapshot(connection, at, str(layout.root))
        connection.execute("USE memory")
        connection.execute("DETACH lake")
        _attach(connection, layout, layout.catalog, [*options, f"SNAPSHOT_VERSION {snapshot}"])
    return connection


def create_lake(layout: LakeLayout, config: Config) -> bool:
    """Make an empty lake; False where there is one already, whose tables are brought up to this release.

    The catalog is made under another name and renamed when whole: a crash leaves no half lake.

    Raises:
        ConflictError: the folder holds something that is not a lake.
        LakeError: the lake was made by a newer release.
    """
    if layout.catalog.is_file():
        _upgrade(layout, config)
        return False
    unfinished = layout.catalog.with_suffix(".unfinished")
    if layout.root.exists():
        ours = {unfinished.name, "baselake.toml", layout.data.name, layout.jobs.name, layout.references.name}
        ours |= {unfinished.name + suffix for suffix in ("-wal", "-shm", "-journal")}
        strangers = sorted(entry.name for entry in layout.root.iterdir() if entry.name not in ours)
        if strangers:
            raise ConflictError(
                f"the folder is not empty (it holds {strangers[0]})",
                str(layout.root),
                "Choose another folder",
            )
    for folder in (layout.data, layout.references, layout.jobs):
        folder.mkdir(parents=True, exist_ok=True)
    for suffix in ("", "-wal", "-shm", "-journal"):
        unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)
    # Write-ahead logging lets readers go on while a writer commits; SQLite keeps the choice in the file.
    with sqlite3.connect(unfinished) as database:
        database.execute("PRAGMA journal_mode = WAL")
    database.close()
    connection = _duckdb(layout, config)
    _attach(connection, layout, unfinished, [])
    _migrate(connection, 0)
    connection.close()
    with sqlite3.connect(unfinished) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    os.rename(unfinished, layout.catalog)
    return True


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
    # Views use macros, and macros that are tables use views.
    for folder in ("macros", "views", "table_macros"):
        for statement in sorted((_SQL / folder).glob("*.sql")):
            connection.execute(statement.read_text())
    connection.execute("COMMIT")


def _upgrade(layout: LakeLayout, config: Config) -> None:
    connection = _duckdb(layout, config)
    try:
        with commit_lock(layout.commit_lock, config.commit_timeout_seconds):
            _attach(connection, layout, layout.catalog, [])
            version, release = _version(connection)
            if version > SCHEMA_VERSION:
                raise _newer(layout, version, release)
            if version < SCHEMA_VERSION:
                _migrate(connection, version)
    finally:
        connection.close()


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without a full stop."""
    return str(error).strip().splitlines()[0].rstrip(".")


def quoted(text: str | Path) -> str:
    """An SQL string literal, for the statements that take no parameters."""
    return "'" + str(text).replace("'", "''") + "'"


def _duckdb(layout: LakeLayout, config: Config) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        config={
            "threads": config.threads,
            "memory_limit": f"{config.memory_bytes // 2**20}MiB",
            "temp_directory": str(layout.scratch / "duckdb"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    # Where Python has no script to run (python -c, a notebook), DuckDB would draw a bar on standard output.
    connection.execute("SET enable_progress_bar = false")
    load_extensions(connection)
    return connection


def _attach(
    connection: duckdb.DuckDBPyConnection, layout: LakeLayout, catalog: Path, options: list[str]
) -> None:
    # The data path is given anew each time so that a lake whose folder was moved still opens.
    settings = [
        f"DATA_PATH {quoted(str(layout.data) + os.sep)}",
        "OVERRIDE_DATA_PATH true",
        "DATA_INLINING_ROW_LIMIT 0",
        *options,
    ]
    connection.execute(f"ATTACH {quoted(f'ducklake:sqlite:{catalog}')} AS lake ({', '.join(settings)})")
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
    row = connection.execute(
        "SELECT max(version), max_by(release, version) FROM schema_migrations"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def _newer(layout: LakeLayout, version: int, release: str) -> LakeError:
    return LakeError(
        f"made by baselake {release}, table version {version}; this is {RELEASE}, version {SCHEMA_VERSION}",
        str(layout.root),
        "Upgrade baselake",
    )
