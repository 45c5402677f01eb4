"""Which file lies on which tier, and the store behind a location."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import duckdb

from baselake.catalog.catalog import Catalog
from baselake.catalog.files import stored_files
from baselake.catalog.job import BEGUN
from baselake.catalog.locks import waited_lock
from baselake.catalog.objects import kept_objects
from baselake.catalog.tiers.settings import load_tiers
from baselake.errors import LakeError
from baselake.lake.partition import OBJECTS, is_object, object_run, partition_values
from baselake.lake.schema import TABLES
from baselake.lake.store import LocalStore, Store, open_store
from baselake.lake.tiers import Tier
from baselake.progress import Progress


@dataclass(frozen=True, slots=True)
class Subject:
    """What somebody wants to keep or to have back.

    Attributes:
        names: what partitions are called that belong to it: a sample and the runs that have reads of it, or a run.
        sample: where it is one.
    """

    names: frozenset[str]
    sample: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFile:
    """A file that may move, and where it lies: of a table of bulk data, or kept as it came.

    Attributes:
        name: unique in the lake, and the same on every tier.
        table: whose; `objects` tells of kept files.
        location: absolute path or URL.
        tier: the tier's name.
        path: its name in the store of any tier.
        bytes: its size.
        checksum: XXH3-128 of its bytes, hexadecimal; None: not known.
        sha256: of a kept file's bytes as they came, hexadecimal; None: it is none.
        written: when it came into the lake, in seconds since 1970; None: before that was taken down.
        samples: the first and the last that it has rows of; None: of none.
    """

    name: str
    table: str
    location: str
    tier: str
    path: str
    bytes: int
    checksum: str | None = None
    sha256: str | None = None
    written: int | None
    samples: tuple[str, str] | None = None

    def is_of(self, subject: Subject) -> bool:
        """Whether it is of the subject, as its path tells, or may have rows of the sample among others'."""
        if is_object(self.path):
            return object_run(self.path) in subject.names
        values = partition_values(self.path)
        if any(values.get(column) in subject.names for column in ("sample_id", "run_id")):
            return True
        if subject.sample is None or self.samples is None or "sample_id" in values:
            return False
        first, last = self.samples
        return first <= subject.sample <= last


class Stores:
    """The stores of a lake's tiers, each opened when it is first used."""

    def __init__(self, catalog: Catalog) -> None:
        self._data = str(catalog.layout.data)
        self._root = str(catalog.layout.root)
        self.tiers: list[Tier] = load_tiers(catalog.connection)
        self._open: dict[str, Store] = {}

    def of(self, tier: str, path: str = "") -> Store:
        """The store of a tier, for a file of this path: of kept files the hot one is the lake's folder itself."""
        (found,) = (one for one in self.tiers if one.name == tier)
        place = found.url or (self._root if is_object(path) else self._data)
        if place not in self._open:
            self._open[place] = open_store(place) if found.url else LocalStore(root=Path(place))
        return self._open[place]

    def tier_of(self, location: str) -> str | None:
        """The name of the tier that a location is on; None: of no tier there is."""
        for tier in self.tiers:
            places = (tier.url,) if tier.url else (self._data, f"{self._root}/{OBJECTS}")
            if any(location.startswith(f"{place}/") for place in places):
                return tier.name
        return None

    def find(self, location: str) -> tuple[Store, str]:
        """The store that has a location, and the name there.

        Raises:
            LakeError: it is of no tier.
        """
        tier = self.tier_of(location)
        if tier is None:
            raise LakeError(
                "the file is on no tier that is known", location, "Add the tier again: baselake tiers add"
            )
        store = self.of(tier, location.removeprefix(f"{self._root}/"))
        return store, location[len(store.url) + 1 :]

    def kept(self, location: str) -> str:
        """A location as the catalog's plain tables keep it: relative to the lake where it is inside."""
        return location.removeprefix(f"{self._root}/")

    def absolute(self, kept: str) -> str:
        """The reverse of `kept`."""
        return kept if kept.startswith(("/", "s3://")) else os.path.join(self._root, kept)


def held_files(catalog: Catalog) -> list[HeldFile]:
    """The files of bulk tables and the kept files, of all snapshots, that lie on a known tier.

    A file that is registered twice is one.

    Raises:
        LakeError: the table that tells of kept files cannot be read.
    """
    stores = Stores(catalog)
    spans = {file: (first, last) for file, first, last in catalog.rows(catalog.statement("sample_spans"))}
    found: dict[str, HeldFile] = {}
    for file in stored_files(catalog.connection, catalog.layout):
        tier = stores.tier_of(file.location)
        # Lists of deleted rows are small, and are read with whatever is read: they stay hot.
        if file.kind == "rows" and file.table in TABLES and tier is not None:
            found[file.name] = HeldFile(
                name=file.name,
                table=file.table,
                location=file.location,
                tier=tier,
                path=stores.find(file.location)[1],
                bytes=file.bytes,
                checksum=file.checksum,
                written=file.written,
                samples=spans.get(file.file_id),
            )
    for kept in kept_objects(catalog):
        tier = stores.tier_of(kept.location)
        if tier is not None:
            found[kept.path] = HeldFile(
                name=kept.path,
                table=OBJECTS,
                location=kept.location,
                tier=tier,
                path=stores.find(kept.location)[1],
                bytes=kept.bytes,
                sha256=kept.sha256,
                written=_begun_at(kept.job_id),
            )
    return list(found.values())


def _begun_at(job_id: str | None) -> int | None:
    """When a job began, in seconds since 1970, as its identifier says; None: it does not."""
    try:
        return int(datetime.strptime(f"{(job_id or '')[:15]}+0000", f"{BEGUN}%z").timestamp())
    except ValueError:
        return None


def locations_of(catalog: Catalog, names: Sequence[str]) -> Mapping[str, str]:
    """Where files lie now, by name; what no snapshot holds any more is left out."""
    cursor = catalog.connection.cursor()
    try:
        return current_locations(catalog, cursor, names)
    finally:
        cursor.close()


def current_locations(
    catalog: Catalog, cursor: duckdb.DuckDBPyConnection, names: Sequence[str]
) -> Mapping[str, str]:
    """Likewise, as a transaction sees it."""
    layout = catalog.layout
    folders = {"data": f"{layout.data}{os.sep}", "root": f"{layout.root}{os.sep}"}
    rows = cursor.execute(catalog.statement("file_locations"), folders | {"names": list(names)}).fetchall()
    return dict(rows)


def subject_of(catalog: Catalog, name: str) -> Subject:
    """A sample with the runs that have reads of it, or a run."""
    runs = catalog.rows(
        "SELECT DISTINCT run_id FROM read_groups WHERE sample_id = ? AND run_id IS NOT NULL", [name]
    )
    known = catalog.rows("SELECT 1 FROM samples WHERE sample_id = ?", [name])
    return Subject(frozenset({name, *(run for (run,) in runs)}), name if known else None)


@contextmanager
def mover_lock(catalog: Catalog, progress: Progress) -> Iterator[None]:
    """Hold the lock of whoever moves or removes copies of files; it is waited for, and ends with the process."""
    tell = partial(progress.note, "waiting for another process that moves files")
    with waited_lock(catalog.layout.mover_lock, tell):
        yield
