"""Which file lies on which tier, and the store behind a location."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from baselake.catalog.catalog import Catalog
from baselake.catalog.files import StoredFile, stored_files
from baselake.catalog.tiers.settings import load_tiers
from baselake.errors import LakeError
from baselake.lake.partition import partition_values
from baselake.lake.schema import TABLES
from baselake.lake.store import LocalStore, Store, open_store
from baselake.lake.tiers import Tier
from baselake.progress import Progress

_POLL_SECONDS = 0.1


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
    """A file of a table of bulk data, and where it lies.

    Attributes:
        stored: what the catalog knows of it.
        tier: the tier's name.
        path: its name in the store of any tier.
        samples: the first and the last that it has rows of; None: of none.
    """

    stored: StoredFile
    tier: str
    path: str
    samples: tuple[str, str] | None = None

    def is_of(self, subject: Subject) -> bool:
        """Whether it is of the subject, as its partition tells, or may have rows of the sample among others'."""
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

    def of(self, tier: str) -> Store:
        """The store of a tier."""
        if tier not in self._open:
            (found,) = (one for one in self.tiers if one.name == tier)
            self._open[tier] = open_store(found.url) if found.url else LocalStore(root=Path(self._data))
        return self._open[tier]

    def tier_of(self, location: str) -> str | None:
        """The name of the tier that a location is on; None: of no tier there is."""
        for tier in self.tiers:
            if location.startswith(f"{tier.url or self._data}/"):
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
        store = self.of(tier)
        return store, location[len(store.url) + 1 :]

    def kept(self, location: str) -> str:
        """A location as the catalog's plain tables keep it: relative to the lake where it is inside."""
        return location.removeprefix(f"{self._root}/")

    def absolute(self, kept: str) -> str:
        """The reverse of `kept`."""
        return kept if kept.startswith(("/", "s3://")) else os.path.join(self._root, kept)


def held_files(catalog: Catalog) -> list[HeldFile]:
    """The files of bulk tables, of all snapshots, that lie on a known tier; one that is registered twice is one."""
    stores = Stores(catalog)
    spans = {file: (first, last) for file, first, last in catalog.rows(catalog.statement("sample_spans"))}
    found: dict[str, HeldFile] = {}
    for file in stored_files(catalog.connection, catalog.layout):
        tier = stores.tier_of(file.location)
        # Lists of deleted rows are small, and are read with whatever is read: they stay hot.
        if file.kind == "rows" and file.table in TABLES and tier is not None:
            found[file.name] = HeldFile(
                stored=file,
                tier=tier,
                path=stores.find(file.location)[1],
                samples=spans.get(file.file_id),
            )
    return list(found.values())


def locations_of(catalog: Catalog, names: Sequence[str]) -> Mapping[str, str]:
    """Where files lie now, by name; what no snapshot holds any more is left out."""
    rows = catalog.query(
        catalog.statement("file_locations"), {"data": f"{catalog.layout.data}{os.sep}", "names": list(names)}
    ).to_pylist()
    return {row["name"]: row["location"] for row in rows}


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
    path = catalog.layout.mover_lock
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        told = False
        while True:
            try:
                flock(descriptor, LOCK_EX | LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    progress.note("waiting for another process that moves files")
                    told = True
                time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)
