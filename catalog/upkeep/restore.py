"""A lake made from a backup, with its catalog in either database."""

import os
import sqlite3
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from baselake.catalog.backends import backend_of
from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.connection import attach_copy, copy_metadata, refuse_strangers
from baselake.catalog.upkeep.backup import FACTS, FORMAT
from baselake.catalog.upkeep.check import check
from baselake.catalog.upkeep.doctor import Report, examine
from baselake.catalog.upkeep.needed import Needed, data_files, needed_files
from baselake.catalog.upkeep.repair import copies_in, existing_mirror
from baselake.config import Config, check_database_url, keep_setting, load_config
from baselake.errors import ConflictError, InputError
from baselake.lake.location import pieces_of, size_of, write_location
from baselake.lake.partition import LakeLayout
from baselake.progress import QUIET, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was made.

    Attributes:
        snapshot: the newest.
        copied: files that were brought from a copy.
        report: what `doctor` says of the lake; findings are files that are missing or not sound.
    """

    snapshot: int
    copied: int
    report: Report


def restore(
    file: Path,
    lake: Path,
    config: Config | None = None,
    *,
    catalog: str | None = None,
    data: Sequence[str | os.PathLike[str]] = (),
    quick: bool = False,
    progress: Progress = QUIET,
) -> Restored:
    """Make the lake of a backup in a folder that has no catalog; its data may lie there already.

    Files come first, the catalog last: a restore that died is done again, and goes on. A file that cannot be had does
    not stop it: the lake is made, and what is missing is in the report.

    Args:
        file: written by `backup`.
        lake: the folder.
        config: settings; None reads `baselake.toml` and the environment.
        catalog: URL of an empty PostgreSQL database for the catalog; None: what the folder's settings say, else
            SQLite.
        data: folders, or prefixes on S3, made by `backup` with `data`, to bring files from that are not in the lake.
        quick: do not read whole what was in the lake already, as `doctor --quick`.
        progress: counts files.

    Raises:
        ConflictError: there is a catalog already, or the folder holds something that is not a lake.
        InputError: the file is no backup, there is no such folder, or a URL is none.
        LakeError: the database cannot be reached, or the backup is of a newer release.
        StorageError: the disk is full or fails.
    """
    layout = LakeLayout(lake.resolve())
    facts = _facts(file)
    config = config if config is not None else load_config(layout.root, os.environ)
    folders = [existing_mirror(place) for place in data]
    if not layout.settings.is_file():
        # Whether its files are encrypted is to be known before the first of them is read.
        config = replace(config, encrypted=str(tomllib.loads(facts["settings"]).get("encrypted", "")))
    if catalog is not None:
        config = replace(config, catalog=check_database_url(catalog, "--catalog"))
    if not layout.data.is_dir():
        refuse_strangers(layout)
    backend = backend_of(layout, config)
    if backend.exists():
        raise ConflictError(
            "there is a catalog already", backend.where, "Move it aside, or restore into another folder"
        )
    for folder in (layout.data, layout.references, layout.jobs):
        folder.mkdir(parents=True, exist_ok=True)
    with (
        backend.maintenance_lock(config.commit_timeout_seconds),
        backend.commit_lock(config.commit_timeout_seconds),
    ):
        copied = _bring(layout, config, file, folders, progress)
        backend.create(partial(_fill, layout, config, file))
        if not layout.settings.is_file() and facts["settings"]:
            kept = [
                line for line in facts["settings"].splitlines(keepends=True) if not line.startswith("catalog")
            ]
            layout.settings.write_text("".join(kept))
        if catalog is not None:
            keep_setting(layout.root, "catalog", catalog)
    with connect(layout.root, config, damaged=True) as opened:
        report = examine(opened, quick=quick, progress=progress)
    return Restored(snapshot=int(facts["snapshot"]), copied=copied, report=report)


def _facts(file: Path) -> dict[str, str]:
    try:
        database = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            facts = dict(database.execute(f"SELECT key, value FROM {FACTS}").fetchall())
        finally:
            database.close()
    except sqlite3.Error as error:
        raise InputError(
            f"no backup of a lake ({error})", str(file), "Give a file that baselake backup wrote"
        ) from error
    if facts.get("format") != FORMAT:
        raise InputError(
            f"a backup of release {facts.get('release')}, of another format", str(file), "Upgrade baselake"
        )
    return facts


def _bring(layout: LakeLayout, config: Config, file: Path, folders: Sequence[str], progress: Progress) -> int:
    """Bring what is not in the lake from places of copies; the number of files brought.

    Data files first: by them the tables are read that tell of the others.
    """
    copy = Catalog(layout, replace(config, catalog=""), attach_copy(layout, config, file))
    try:
        if not folders:
            return 0
        brought = _copy_all(data_files(copy), folders, config, progress)
        # What a table tells of that cannot be read even so is named when the lake is looked at.
        needed, _ = needed_files(copy)
        return brought + _copy_all(needed, folders, config, progress)
    finally:
        copy.close()


def _copy_all(needed: Sequence[Needed], folders: Sequence[str], config: Config, progress: Progress) -> int:
    with (
        progress.task("bring files", total=len(needed), unit="files") as task,
        ThreadPoolExecutor(config.threads) as pool,
    ):

        def one(file: Needed) -> bool:
            brought = check(file, quick=True).finding is not None and _copied(file, folders)
            task.advance()
            return brought

        return sum(pool.map(one, needed))


def _copied(file: Needed, folders: Sequence[str]) -> bool:
    for place in copies_in(folders, file):
        found = check(replace(file, location=place), quick=False).finding
        if found is None or found.kind == "stale size":
            write_location(file.location, pieces_of(place), size_of(place))
            return True
    return False


def _fill(layout: LakeLayout, config: Config, file: Path, target: str) -> None:
    copy_metadata(layout, config, f"sqlite:{file.resolve()}", target)
