"""Copies of data files that are to go: superseded ones, and targets of moves that are not finished."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.metadata import metadata_change
from baselake.catalog.tiers.placement import Stores, locations_of
from baselake.errors import StorageError
from baselake.progress import QUIET, Progress

_TABLE = "__ducklake_metadata_lake.baselake_removals"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A copy that is to go.

    Attributes:
        location: its absolute path or URL.
        name: of the file, which is the same on every tier; of a kept file its path in the lake.
        bytes: its size.
        reason: `moved` or `unfinished`; see sql/metadata/tiers.sql.
        not_before: when it may go at the earliest, in seconds since 1970.
    """

    location: str
    name: str
    bytes: int
    reason: str
    not_before: int


def pending_removals(catalog: Catalog) -> list[Removal]:
    """All copies that are to go, by location."""
    rows = catalog.query(f"SELECT location, name, bytes, reason, not_before FROM {_TABLE} ORDER BY location")
    # The hot tier's are kept relative, for it may be mounted elsewhere on each node.
    stores = Stores(catalog)
    return [Removal(**{**row, "location": stores.absolute(row["location"])}) for row in rows.to_pylist()]


def rows_of(catalog: Catalog, removals: Sequence[Removal]) -> pa.Table:
    """Removals as rows of their table."""
    stores = Stores(catalog)
    return pa.table(
        {
            "location": pa.array([stores.kept(one.location) for one in removals], pa.string()),
            "name": pa.array([one.name for one in removals], pa.string()),
            "bytes": pa.array([one.bytes for one in removals], pa.int64()),
            "reason": pa.array([one.reason for one in removals], pa.string()),
            "not_before": pa.array([one.not_before for one in removals], pa.int64()),
        }
    )


def forget_removals(catalog: Catalog, locations: Iterable[str]) -> None:
    """Take copies off the list, because they are gone or are wanted again."""
    stores = Stores(catalog)
    kept = [stores.kept(location) for location in locations]
    if kept:
        with metadata_change(catalog, "the removals") as cursor:
            cursor.execute(f"DELETE FROM {_TABLE} WHERE list_contains(?, location)", [kept])


def copies_of(catalog: Catalog, names: Sequence[str]) -> dict[str, list[str]]:
    """Every place that has, or may have, a copy of a file of these names: the current one first.

    Args:
        catalog: the lake.
        names: of files; those that no snapshot holds any more may still have copies.
    """
    current = locations_of(catalog, names)
    found = {name: [current[name]] if name in current else [] for name in names}
    for one in pending_removals(catalog):
        if one.name in found and one.location not in found[one.name]:
            found[one.name].append(one.location)
    return found


def hasten_removals(catalog: Catalog, names: Sequence[str]) -> None:
    """Let the superseded copies of files go with the next `remove_copies`, whoever may still read them.

    Args:
        catalog: the lake, open for writing.
        names: of the files.
    """
    with metadata_change(catalog, "the removals") as cursor:
        cursor.execute(f"UPDATE {_TABLE} SET not_before = 0 WHERE list_contains(?, name)", [list(names)])


def remove_copies(
    catalog: Catalog, *, unfinished: bool = False, progress: Progress = QUIET, now: int | None = None
) -> int:
    """Remove the copies whose time has come; how many. The mover's lock must be held.

    A copy that the catalog names as the file's place is never removed. Where a store does not answer, its copies stay
    on the list for the next time.

    Args:
        catalog: the lake.
        unfinished: only what killed moves left.
        progress: is told of stores that do not answer.
        now: seconds since 1970; None: the clock's.
    """
    now = int(time.time()) if now is None else now
    due = [
        one
        for one in pending_removals(catalog)
        if one.reason == "unfinished" or (not unfinished and one.not_before <= now)
    ]
    if not due:
        return 0
    stores = Stores(catalog)
    current = locations_of(catalog, [one.name for one in due])
    gone, removed, failed = [], 0, set()
    for one in due:
        if current.get(one.name) == one.location:
            gone.append(one.location)  # recalled meanwhile: the list is wrong, the file is right
            continue
        store, name = stores.find(one.location)
        if store.url in failed:
            continue
        try:
            store.delete(name)
        except StorageError as error:
            failed.add(store.url)
            progress.note(f"copies that are to go stay for the next time: {error}")
            continue
        gone.append(one.location)
        removed += 1
    forget_removals(catalog, gone)
    return removed
