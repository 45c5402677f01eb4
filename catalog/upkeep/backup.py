"""A copy of the catalog in one SQLite file, whichever database holds it, and of the files it needs.

The file is the catalog as it was at one moment, beside writers that go on. A table in it tells every file that a lake
restored from it needs. Being the same for both databases, it is also the way from one to the other.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from baselake.catalog.backends import backend_of
from baselake.catalog.backends.sqlite import set_pragma
from baselake.catalog.catalog import Catalog
from baselake.catalog.connection import BACKUP_TABLES, RELEASE, attach_copy, copy_metadata
from baselake.catalog.metadata import metadata_change
from baselake.catalog.upkeep.check import Finding, check, untold
from baselake.catalog.upkeep.needed import Needed, needed_files
from baselake.catalog.upkeep.repair import copies_in, mirror_of
from baselake.errors import StorageError
from baselake.lake.location import checksum_of, pieces_of, size_of, write_location
from baselake.lake.parquet import storage_error, sync_folder
from baselake.progress import QUIET, Progress

FILES = f"{BACKUP_TABLES}files"
FACTS = f"{BACKUP_TABLES}lake"
FORMAT = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup holds.

    Attributes:
        snapshot: the newest in it.
        files: that a lake restored from it needs.
        bytes: of these.
        copied: files that were copied now.
        copied_bytes: of these.
        findings: files that could not be copied, for they are not what the catalog says, and tables that should tell
            of files and cannot be read.
    """

    snapshot: int
    files: int
    bytes: int
    copied: int
    copied_bytes: int
    findings: list[Finding]


def backup(
    catalog: Catalog, path: Path, *, data: str | os.PathLike[str] | None = None, progress: Progress = QUIET
) -> Backup:
    """Write the catalog to a file; others read and commit meanwhile, nobody removes files.

    Args:
        catalog: the lake, open for writing where `data` is given: it remembers the folder.
        path: the file to write, in place of what is there.
        data: a folder, or a prefix on S3, that takes copies of the files the catalog needs and that are not in it yet;
            each is checked as it is copied. None: no copies are made.
        progress: counts bytes.

    Raises:
        InputError: `data` is neither a folder nor a URL of a store.
        LakeError: another process maintains the lake, or the catalog cannot be read.
        StorageError: the disk is full or fails.
    """
    layout, config = catalog.layout, catalog.config
    place = mirror_of(data) if data is not None else None
    part = path.with_name(f".{path.name}.part")
    backend = backend_of(layout, config)
    with backend.maintenance_lock(config.commit_timeout_seconds):
        try:
            part.unlink(missing_ok=True)
            _copy_catalog(catalog, part)
            copy = Catalog(layout, replace(config, catalog=""), attach_copy(layout, config, part))
            try:
                needed, untold_of = needed_files(copy)
                snapshot = copy.newest_snapshot()
            finally:
                copy.close()
            needed = [_summed(file) for file in needed]
            _write_manifest(part, needed, _facts(catalog, snapshot))
            os.replace(part, path)
            sync_folder(path.resolve().parent)
        except StorageError:
            raise
        except OSError as error:
            raise storage_error(error, path) from error
        finally:
            part.unlink(missing_ok=True)
        copied, findings = ([], []) if place is None else _copy_data(catalog, needed, place, progress)
        if place is not None:
            with metadata_change(catalog, "where a backup is") as cursor:
                table = "__ducklake_metadata_lake.baselake_backup_folders"
                cursor.execute(f"DELETE FROM {table} WHERE folder = ?", [place])
                cursor.execute(f"INSERT INTO {table} VALUES (?, ?)", [place, int(time.time())])
    return Backup(
        snapshot=snapshot,
        files=len(needed),
        bytes=sum(file.bytes or 0 for file in needed),
        copied=len(copied),
        copied_bytes=sum(file.bytes or 0 for file in copied),
        findings=[*map(untold, untold_of), *findings],
    )


def _copy_catalog(catalog: Catalog, part: Path) -> None:
    layout, config = catalog.layout, catalog.config
    backend = backend_of(layout, config)
    # PostgreSQL shows one moment to a transaction. Of SQLite, DuckDB reads each table by a connection of its own, so
    # that nobody may commit meanwhile.
    set_pragma(part, "journal_mode = WAL")  # for DuckLake reads while we write
    quiet = nullcontext() if config.catalog else backend.commit_lock(config.commit_timeout_seconds)
    with quiet:
        copy_metadata(layout, config, backend.target(), f"sqlite:{part}")


def _summed(file: Needed) -> Needed:
    """The file with its checksum; of what the catalog has none, the bytes as they are count."""
    if file.checksum is not None:
        return file
    if check(file, quick=False).finding is not None:
        return file  # doctor's to say; a copy of it is refused below
    return replace(file, algorithm="xxh3", checksum=checksum_of(file.location))


def _facts(catalog: Catalog, snapshot: int) -> dict[str, str]:
    settings = catalog.layout.settings
    return {
        "format": FORMAT,
        "release": RELEASE,
        "lake": str(catalog.layout.root),
        "snapshot": str(snapshot),
        "taken": str(int(time.time())),
        "settings": settings.read_text() if settings.is_file() else "",
    }


def _write_manifest(part: Path, needed: list[Needed], facts: dict[str, str]) -> None:
    database = sqlite3.connect(part)
    try:
        database.execute(f"CREATE TABLE {FACTS} (key TEXT PRIMARY KEY, value TEXT)")
        database.executemany(f"INSERT INTO {FACTS} VALUES (?, ?)", facts.items())
        database.execute(
            f"CREATE TABLE {FILES} (kind TEXT, path TEXT, bytes INTEGER, checksum TEXT, algorithm TEXT)"
        )
        database.executemany(
            f"INSERT INTO {FILES} VALUES (?, ?, ?, ?, ?)",
            [(file.kind, file.path, file.bytes, file.checksum, file.algorithm) for file in needed],
        )
        database.commit()
        database.execute("PRAGMA journal_mode = DELETE")  # one file, without -wal and -shm beside it
    finally:
        database.close()
    descriptor = os.open(part, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_data(
    catalog: Catalog, needed: list[Needed], data: str, progress: Progress
) -> tuple[list[Needed], list[Finding]]:
    """Copy what is not there yet: a file's name stands for one content, so that one of the same size is the same."""
    new = [file for file in needed if not _is_there(file, data)]
    findings: list[Finding] = []
    with (
        progress.task("copy files", total=sum(file.bytes or 0 for file in new), unit="bytes") as task,
        ThreadPoolExecutor(catalog.config.threads) as pool,
    ):

        def copy(file: Needed) -> Finding | None:
            checked = check(file, quick=False)
            if checked.finding is None or checked.finding.kind == "stale size":
                (target,) = copies_in([data], file)
                write_location(target, pieces_of(file.location), size_of(file.location))
                checked = check(replace(file, location=target), quick=False)
            task.advance(file.bytes or 0)
            return checked.finding

        findings = [found for found in pool.map(copy, new) if found is not None]
    bad = {found.path for found in findings}
    return [file for file in new if file.path not in bad], findings


def _is_there(file: Needed, data: str) -> bool:
    (target,) = copies_in([data], file)
    try:
        return size_of(target) == size_of(file.location)
    except FileNotFoundError:
        return False


def manifest(path: Path) -> Iterator[tuple[str, str, int | None, str | None, str]]:
    """Kind, path, bytes, checksum and algorithm of every file that a lake restored from a backup needs."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        yield from database.execute(
            f"SELECT kind, path, bytes, checksum, algorithm FROM {FILES} ORDER BY path"
        )
    finally:
        database.close()
