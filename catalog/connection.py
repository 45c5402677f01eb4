"""DuckDB connections with a lake attached, and the creation of a lake."""

import os
import re
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import duckdb

from baselake.catalog.backends import Backend, backend_of
from baselake.catalog.decoding import Decoder
from baselake.catalog.extensions import open_duckdb
from baselake.catalog.snapshots import At, find_snapshot
from baselake.config import Config, load_config
from baselake.errors import ConflictError, LakeError, NotFoundError, StorageError
from baselake.lake.partition import LakeLayout

RELEASE = "0.4.0"
SCHEMA_VERSION = 16
# What DuckDB plans longest with, and small queries do without.
_SLOW_OPTIMIZERS = (
    "column_lifetime,compressed_materialization,join_order,late_materialization,statistics_propagation"
)
# Tables of a backup that are no part of the catalog begin so.
BACKUP_TABLES = "baselake_backup_of_"
_SQL = Path(__file__).parent / "sql"
# Words of SQLite, whose last ones mean that it cannot make its log, and of the operating system.
_DISK_FAILS = ("disk I/O error", "disk is full", "unable to open database file", "No space left on device")
# Words of PostgreSQL's client.
_SERVER_AWAY = ("Unable to connect to Postgres", "server closed the connection", "terminating connection")


def find_lake(lake: Path, config: Config | None = None) -> tuple[LakeLayout, Config]:
    """Where things lie in the lake of a folder, and its settings; None reads `baselake.toml` and the environment.

    Raises:
        InputError: a setting is none.
    """
    layout = LakeLayout(lake.resolve())
    return layout, config if config is not None else load_config(layout.root, os.environ)


class Attached(NamedTuple):
    """A connection to a lake.

    Attributes:
        connection: in which it is attached as `lake` and in use.
        snapshot: the number of the snapshot that it shows; None: always the newest.
        read_only: every change is refused.
        decoder: of the coded columns; where every change is refused, its functions are not known yet.
        private: a folder with a copy of the embedded catalog, where the lake's own cannot be read in its place.
    """

    connection: duckdb.DuckDBPyConnection
    snapshot: int | None
    read_only: bool
    decoder: Decoder
    private: "tempfile.TemporaryDirectory[str] | None" = None


def connect(
    layout: LakeLayout,
    config: Config,
    *,
    read_only: bool,
    at: At | None = None,
    damaged: bool = False,
) -> Attached:
    """A connection in which the lake is attached as `lake` and in use.

    Args:
        layout: where the lake is.
        config: where its catalog is; threads and memory of DuckDB.
        read_only: refuse every change.
        at: show the lake as it was at this snapshot; implies read-only.
        damaged: open it although what tells its release cannot be read, to mend it.

    Raises:
        NotFoundError: there is no lake, or no such snapshot.
        InputError: `at` is neither a snapshot's number, its name nor a time.
        LakeError: the lake was made by a newer release, its catalog cannot be reached, or it is damaged.
    """
    backend = backend_of(layout, config)
    if not backend.exists():
        raise NotFoundError("no lake here", str(layout.root), f"Run: baselake init --lake {layout.root}")
    read_only = read_only or at is not None
    private = None
    if not may_write(layout):
        if not read_only:
            raise LakeError(
                "this user may not write the lake",
                str(layout.root),
                "Open it for reading only, or as who may",
            )
        private = _private_copy(backend)
    target = backend.target(Path(private.name) if private is not None else None)
    decoder = Decoder(layout)
    connection = _duckdb(layout, config, (backend.extension,))
    if not read_only:
        decoder.register(connection)
    options = ["READ_ONLY"] if read_only else []
    try:
        _attach(connection, layout, config, target, options)
    except duckdb.Error as error:
        raise away(error, backend.where) or LakeError(
            f"the catalog cannot be opened ({first_line(error)})", backend.where, "Restore it from a backup"
        ) from error
    try:
        _check_version(connection, layout)
    except duckdb.Error as error:
        if failure := away(error, backend.where):
            raise failure from error
        if not isinstance(error, duckdb.IOException):
            raise
        if not damaged:
            raise LakeError(
                f"the table that tells its release cannot be read ({first_line(error)})",
                str(layout.root),
                "See what is damaged: baselake doctor",
            ) from error
    snapshot = None
    if at is not None:
        snapshot = find_snapshot(connection, at, str(layout.root))
        connection.execute("USE memory")
        connection.execute("DETACH lake")
        _attach(connection, layout, config, target, [*options, f"SNAPSHOT_VERSION {snapshot}"])
    return Attached(connection, snapshot, read_only=read_only, decoder=decoder, private=private)


def _private_copy(backend: Backend) -> "tempfile.TemporaryDirectory[str] | None":
    """The embedded catalog in a folder of this process, which is gone with it; None where it needs none."""
    folder = tempfile.TemporaryDirectory(prefix="baselake-")
    if backend.private_copy(Path(folder.name)):
        return folder
    folder.cleanup()
    return None


def create_lake(layout: LakeLayout, config: Config) -> bool:
    """Make an empty lake; False where there is one already, whose tables are brought up to this release.

    A crash leaves no half lake.

    Raises:
        ConflictError: the folder holds something that is not a lake.
        LakeError: the lake was made by a newer release, or its catalog cannot be reached.
    """
    from baselake.catalog.files import record_old_files  # imported here: to open a lake needs no Arrow

    refuse_strangers(layout)
    for folder in (layout.data, layout.references, layout.jobs):
        folder.mkdir(parents=True, exist_ok=True)
    backend = backend_of(layout, config)
    connection = _duckdb(layout, config, (backend.extension,))
    Decoder(layout).register(connection)  # views that use its functions are made
    try:
        with backend.commit_lock(config.commit_timeout_seconds):
            if backend.exists():
                _attach(connection, layout, config, backend.target(), [])
                if _upgrade(connection, layout):
                    record_old_files(connection, layout)
                return False
            backend.create(partial(_make, connection, layout, config))
            return True
    finally:
        connection.close()


def refuse_strangers(layout: LakeLayout) -> None:
    """See that nothing but a lake is in the folder.

    Raises:
        ConflictError: there is.
    """
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
            layout.reads,
            layout.erasures,
        )
    }
    ours |= {layout.watch_lock.name, layout.run_lock("").parent.name}
    ours |= {layout.maintenance_lock.name, layout.mover_lock.name, layout.readers.name}
    ours |= {unfinished.name + suffix for suffix in ("", "-wal", "-shm", "-journal")}
    strangers = sorted(entry.name for entry in layout.root.iterdir() if entry.name not in ours)
    if strangers:
        raise ConflictError(
            f"the folder is not empty (it holds {strangers[0]})", str(layout.root), "Choose another folder"
        )


def _make(connection: duckdb.DuckDBPyConnection, layout: LakeLayout, config: Config, target: str) -> None:
    from baselake.catalog.files import record_forgotten_files

    _attach(connection, layout, config, target, [])
    _migrate(connection, 0)
    record_forgotten_files(connection, layout)
    connection.execute("USE memory")
    connection.execute("DETACH lake")


def _migrate(connection: duckdb.DuckDBPyConnection, version: int) -> None:
    """Bring the tables from a version to this release's, macros and views with them, in one transaction.

    But for a step whose name ends in `_renamed`: it is committed by itself, and so is what comes before it. The
    versions that leaves are none that this release opens: what a crash leaves undone is done when asked again. In a new
    lake (version 0) tables have their last names from the start.
    """
    renamed = _renamed() if version == 0 else {}
    # DuckDB writes to one database in a transaction; what is made here twice, after a crash, is made once.
    for table in sorted((_SQL / "metadata").glob("*.sql")):
        connection.execute(table.read_text())
    connection.execute("BEGIN")
    applied: list[object] = []  # rows that are not written yet: one statement makes one file of them
    for step in sorted((_SQL / "schema").glob("*.sql")):
        number = int(step.name[:4])
        if number > version:
            statements = step.read_text()
            for old, new in renamed.items():
                statements = re.sub(rf"\b{old}\b", new, statements)
            alone = step.stem.endswith("_renamed") and not renamed
            if alone:
                _set_down(connection, applied)
                connection.execute("COMMIT")
                connection.execute("BEGIN")
            if alone or not step.stem.endswith("_renamed"):
                connection.execute(statements)
            applied += [number, step.stem, datetime.now(UTC), RELEASE]
            if alone:
                _set_down(connection, applied)
                connection.execute("COMMIT")
                connection.execute("BEGIN")
    _set_down(connection, applied)
    # Views use macros, and macros that are tables use views.
    for folders in (("macros",), ("views",), ("parts", "table_macros")):
        for text in _dependent_last(*(_SQL / folder for folder in folders)):
            connection.execute(text)
    connection.execute("COMMIT")
    # Of columns first: those of a table that has statistics are left alone.
    for statement in sorted((_SQL / "statistics").glob("*.sql")):
        connection.execute(statement.read_text())

    for name in _renamed().values():
        # A block's rows need its first one: DuckLake's own rewriting of all tables' files leaves these alone.
        connection.execute(
            f"CALL ducklake_set_option('lake', 'auto_compact', false, table_name => {quoted(name)})"
        )
    for old, new in renamed.items():
        # As in a lake in which they were renamed: users know the folder by what is in it.
        connection.execute(
            "UPDATE __ducklake_metadata_lake.ducklake_table SET path = ? WHERE table_name = ?",
            [f"{old}/", new],
        )


def _set_down(connection: duckdb.DuckDBPyConnection, applied: list[object]) -> None:
    """Insert the rows of schema_migrations whose values these are, and empty the list."""
    if applied:
        rows = ", ".join(["(?, ?, ?, ?)"] * (len(applied) // 4))
        connection.execute(f"INSERT INTO schema_migrations VALUES {rows}", applied)
        applied.clear()


def _dependent_last(*folders: Path) -> list[str]:
    """The statements of folders, each after those that make what it uses: DuckDB looks that up at once."""
    texts = {path.stem: path.read_text() for folder in folders for path in sorted(folder.glob("*.sql"))}
    done: dict[str, str] = {}

    def add(name: str) -> None:
        if name in done:
            return
        for other in texts:
            if other != name and re.search(rf"\b{other}\(|\b(FROM|JOIN) {other}\b", texts[name]):
                add(other)
        done[name] = texts[name]

    for name in texts:
        add(name)
    return list(done.values())


def _renamed() -> dict[str, str]:
    """Tables that a release gave another name, by the old one."""
    steps = (_SQL / "schema").glob("*_renamed.sql")
    found = (re.findall(r"ALTER TABLE (\w+) RENAME TO (\w+);", step.read_text()) for step in steps)
    return {old: new for pairs in found for old, new in pairs}


def _upgrade(connection: duckdb.DuckDBPyConnection, layout: LakeLayout) -> bool:
    version, release = _version(connection)
    if version > SCHEMA_VERSION:
        raise _newer(layout, version, release)
    if version < SCHEMA_VERSION:
        _migrate(connection, version)
    return version < SCHEMA_VERSION


def attach_copy(layout: LakeLayout, config: Config, file: Path) -> Attached:
    """A connection to a copy of the lake's catalog in an SQLite file, read-only, in place of the catalog itself."""
    decoder = Decoder(layout)
    connection = _duckdb(layout, config, ("sqlite_scanner",))
    decoder.register(connection)
    _attach(connection, layout, config, f"sqlite:{file}", ["READ_ONLY"])
    return Attached(connection, None, read_only=True, decoder=decoder)


def copy_metadata(layout: LakeLayout, config: Config, source: str, target: str) -> None:
    """Make a catalog in an empty database, and fill it with all that another one holds.

    The tables are made first, then filled in one transaction that sees one state of the source: a crash leaves no
    catalog that a backend would take for whole.

    Args:
        layout: of the lake.
        config: DuckDB's threads and memory.
        source: `sqlite:PATH` or `postgres:URL`, which may be in use.
        target: likewise, empty.

    Raises:
        LakeError: the source holds a table that this release does not know.
    """
    kinds = {text.partition(":")[0] for text in (source, target)}
    connection = _duckdb(layout, config, [f"{kind}_scanner" for kind in sorted(kinds)])
    try:
        _attach(connection, layout, config, target, [])
        for statement in sorted((_SQL / "metadata").glob("*.sql")):
            connection.execute(statement.read_text())
        connection.execute("USE memory")
        connection.execute("DETACH lake")
        connection.execute(
            "SET TimeZone = 'UTC'"
        )  # times become text in SQLite, as DuckLake writes them there
        for name, text, mode in (("source", source, ", READ_ONLY"), ("target", target, "")):
            kind, _, place = text.partition(":")
            connection.execute(f"ATTACH {quoted(place)} AS {name} (TYPE {kind}{mode})")
        there = _tables(connection, "target")
        connection.execute("BEGIN")
        for table in _tables(connection, "source"):
            if table.startswith(BACKUP_TABLES):
                continue
            if table not in there:
                raise LakeError(
                    f"the catalog has a table {table} that this release does not know",
                    str(layout.root),
                    "Upgrade baselake",
                )
            connection.execute(f'DELETE FROM target."{table}"')
            connection.execute(f'INSERT INTO target."{table}" BY NAME SELECT * FROM source."{table}"')
        connection.execute("COMMIT")
    finally:
        connection.close()


def _tables(connection: duckdb.DuckDBPyConnection, database: str) -> list[str]:
    rows = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name IN ('main', 'public')"
        " ORDER BY table_name",
        [database],
    ).fetchall()
    return [name for (name,) in rows]


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without a full stop."""
    return str(error).strip().splitlines()[0].rstrip(".")


def away(error: BaseException, where: str) -> LakeError | StorageError | None:
    """The error to raise where the lake's disk or the catalog's server fails by what DuckDB says; None: it does not."""
    if line := _line_with(error, _DISK_FAILS):
        return StorageError(
            f"the lake's disk is full or fails ({line})",
            where,
            "See that it works and has room, then run the same command again",
        )
    if line := _line_with(error, _SERVER_AWAY):
        return LakeError(
            f"the catalog's database cannot be reached ({line})",
            where,
            "See that the server runs and takes this user, then run the same command again",
        )
    return None


def _line_with(error: BaseException, words: Sequence[str]) -> str:
    """The first line of an error's text in which one of some words is, without a full stop; empty where none is."""
    lines = str(error).strip().splitlines()
    return next((line.rstrip(".") for line in lines if any(one in line for one in words)), "")


def quoted(text: str | Path) -> str:
    """An SQL string literal, for the statements that take no parameters."""
    return "'" + str(text).replace("'", "''") + "'"


def _duckdb(layout: LakeLayout, config: Config, extensions: Sequence[str]) -> duckdb.DuckDBPyConnection:
    connection = open_duckdb(
        {
            "threads": config.threads,
            "memory_limit": f"{config.memory_bytes // 2**20}MiB",
            "temp_directory": str(_spill_folder(layout)),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
        ("ducklake", *extensions),
    )
    # Files never change: a footer is parsed once in an open lake, not by every question. What is kept counts against
    # the memory limit (DuckDB 1.5).
    connection.execute("SET GLOBAL parquet_metadata_cache = true")
    if "sqlite_scanner" in extensions:
        # Else each scan of a table opens the file once more and reads its schema anew, which takes longer than the
        # scan: a catalog's tables are small.
        connection.execute("SET GLOBAL sqlite_disable_multithreaded_scans = true")
    if config.encrypted:
        # Imported here: most lakes do not need it.
        from baselake.lake.duckdb_files import EncryptedFiles
        from baselake.lake.keyring import required_keyring

        connection.register_filesystem(EncryptedFiles(required_keyring(config.encrypted, str(layout.root))))
        connection.execute("SET temp_file_encryption = true")
    return connection


def duckdb_path(location: str, config: Config) -> str:
    """A file's location as DuckDB is to open it."""
    if not config.encrypted:
        return location
    from baselake.lake.location import ENCRYPTED

    return f"{ENCRYPTED}{location}"


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
    connection: duckdb.DuckDBPyConnection, layout: LakeLayout, config: Config, target: str, options: list[str]
) -> None:
    # The data path is given anew each time so that a lake whose folder was moved still opens.
    settings = [
        f"DATA_PATH {quoted(duckdb_path(f'{layout.data}{os.sep}', config))}",
        "OVERRIDE_DATA_PATH true",
        "DATA_INLINING_ROW_LIMIT 0",
        *options,
    ]
    connection.execute(f"ATTACH {quoted(f'ducklake:{target}')} AS lake ({', '.join(settings)})")
    # DuckLake now reads what tables and macros there are: six queries of some hundred rows, which take longer to plan
    # and to give to threads than to answer.
    connection.execute(f"SET threads = 1; SET disabled_optimizers = '{_SLOW_OPTIMIZERS}'")
    connection.execute("USE lake")
    connection.execute(f"SET threads = {config.threads}; RESET disabled_optimizers")


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
