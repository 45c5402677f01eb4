"""Files in the lake's folder that nothing refers to: no snapshot, no removal to come, no job at work.

The order of looking makes that safe beside writers: first the files are listed, then journals, then the catalog. A
file that was listed belongs to a job that still journals it, or that has committed it, or is gone. Only DuckLake's own
files have no journal; they are written under the commit lock, and looked at again under it.
"""

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from baselake.catalog.backends import backend_of
from baselake.catalog.catalog import Catalog
from baselake.catalog.locks import try_lock
from baselake.catalog.upkeep.expire import scheduled_files
from baselake.catalog.upkeep.needed import Needed
from baselake.lake.keyring import key_name, required_keyring

_SPILL = "duckdb"  # in scratch/; DuckDB's own, which it empties itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A file that nothing refers to: its path, bytes, and when it was last written, in seconds since 1970."""

    path: Path
    bytes: int
    modified: float


def find_orphans(
    catalog: Catalog,
    needed: Callable[[], Collection[Needed]],
    vouched: Callable[[Catalog], Collection[str]],
) -> list[Orphan]:
    """Orphans in the folders of data, objects, assemblies and scratch.

    Args:
        catalog: the lake.
        needed: tells what the snapshots need; asked after the files were listed.
        vouched: tells locations that somebody else answers for, such as copies that are to go.
    """
    layout = catalog.layout
    folders = (layout.data, layout.objects, layout.references, layout.scratch)
    listed = {path: stat for folder in folders for path, stat in _files(folder)}
    if not listed:
        return []
    journaled = living_files(catalog)
    alive = {path.name for path in _living(layout.jobs)}
    known = _known(catalog, needed(), vouched) | journaled
    found = [path for path in listed if path not in known and not _spilled(path, layout.scratch, alive)]
    if any(path.name.startswith("ducklake-") for path in found):
        # A transaction may have been writing them, and somebody may have committed them since.
        with backend_of(layout, catalog.config).commit_lock(catalog.config.commit_timeout_seconds):
            known = _known(catalog, needed(), vouched)
            found = [path for path in found if path not in known and path.exists()]
    return [
        Orphan(path=path, bytes=listed[path].st_size, modified=listed[path].st_mtime)
        for path in sorted(found)
        if path.exists()
    ]


def stray_keys(
    catalog: Catalog,
    needed: Callable[[], Collection[Needed]],
    vouched: Callable[[Catalog], Collection[str]],
) -> list[str]:
    """Names in the keyring of an encrypted lake that no file of it has; arguments as `find_orphans`.

    Raises:
        StorageError: the keyring cannot be read.
    """
    ring = required_keyring(catalog.config.encrypted, str(catalog.layout.root))

    def unknown(names: Collection[str]) -> set[str]:
        journaled = {key_name(str(path)) for path in living_files(catalog)}
        known = {key_name(str(path)) for path in _known(catalog, needed(), vouched)}
        folders = (catalog.layout.data, catalog.layout.objects)
        there = {
            key_name(str(path)) for folder in folders for path, _ in _files(folder)
        }  # orphans may yet be wanted
        return set(names) - journaled - known - there

    found = unknown(ring.names())
    if found:
        # A transaction may have been writing them, and somebody may have committed them since.
        with backend_of(catalog.layout, catalog.config).commit_lock(catalog.config.commit_timeout_seconds):
            found = unknown(found)
    return sorted(found)


def living_files(catalog: Catalog) -> set[Path]:
    """What jobs at work have journaled."""
    return {
        catalog.layout.root / line
        for journal in _living(catalog.layout.jobs)
        for line in _text(journal).splitlines()
    }


def dead_jobs(catalog: Catalog) -> list[str]:
    """Jobs whose journal nobody holds: they died, and nobody has written since."""
    jobs = catalog.layout.jobs
    living = {path.name for path in _living(jobs)}
    return sorted(path.name for path in _entries(jobs) if path.name not in living)


def _known(
    catalog: Catalog, needed: Collection[Needed], vouched: Callable[[Catalog], Collection[str]]
) -> set[Path]:
    known = {Path(file.location) for file in needed}
    for assembly in [path for path in known if path.suffix == ".fa"]:
        known.update(
            assembly.parent.glob(f"{assembly.stem}.*.mmi")
        )  # indexes that aligning makes of it and keeps
    known |= {Path(str(file["location"])) for file in scheduled_files(catalog)}
    return known | {Path(location) for location in vouched(catalog)}


def _spilled(path: Path, scratch: Path, alive: Collection[str]) -> bool:
    """Whether it is what a job at work, or DuckDB, has spilled."""
    return path.is_relative_to(scratch) and path.relative_to(scratch).parts[0] in (_SPILL, *alive)


def _living(jobs: Path) -> list[Path]:
    living = []
    for path in _entries(jobs):
        descriptor = try_lock(path)
        if descriptor is not None:
            os.close(descriptor)
        elif path.exists():
            living.append(path)
    return living


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _text(journal: Path) -> str:
    try:
        return journal.read_text()
    except FileNotFoundError:  # its job has ended
        return ""


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            try:
                yield path, path.stat()
            except FileNotFoundError:
                continue
