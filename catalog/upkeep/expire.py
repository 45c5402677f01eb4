"""Snapshots let go, and the files that none of those left needs.

A snapshot goes when it was followed by another one long enough ago, unless it is the newest, has a name, or is in use
(`catalog/leases.py`). Files follow later: first DuckLake takes down that no snapshot holds them, then, when the grace
is over too, they are removed. The grace is for readers without a lease, such as another program that attached the
catalog, whose query may still have a list of files.
"""

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from baselake.catalog.backends import backend_of
from baselake.catalog.catalog import Catalog
from baselake.catalog.connection import first_line
from baselake.catalog.cursors import abandon
from baselake.catalog.restore import keep_shared_files
from baselake.catalog.snapshots import pinned_snapshots
from baselake.catalog.tiers.placement import mover_lock
from baselake.catalog.tiers.removals import pending_removals
from baselake.catalog.upkeep.objects import schedule_objects
from baselake.errors import LakeError
from baselake.lake.keyring import destroy_keys, key_name
from baselake.lake.location import delete_location
from baselake.lake.partition import is_object
from baselake.progress import QUIET, Progress

GRACE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """What was let go.

    Attributes:
        snapshots: these.
        in_use: old enough as well, but read by somebody or named.
        files_scheduled: no snapshot needs them since now.
        files_removed: their grace was over.
    """

    snapshots: list[int]
    in_use: list[int]
    files_scheduled: int
    files_removed: int


def expire(
    catalog: Catalog,
    older_than: timedelta,
    *,
    pinned: Callable[[Catalog], Collection[int]] = pinned_snapshots,
    grace: timedelta = GRACE,
    dry_run: bool = False,
    progress: Progress = QUIET,
) -> Expired:
    """Let snapshots go that were followed by another one longer ago than `older_than`, then remove files.

    Args:
        catalog: the lake.
        older_than: what the lake was at any time since stays visible.
        pinned: tells the snapshots that must stay; asked while nobody commits.
        grace: how long files stay after the last snapshot that needed them.
        dry_run: change nothing, and tell what would be done.
        progress: counts the files removed.

    Raises:
        LakeError: another process maintains the lake, or the catalog refused the change.
        StorageError: a file cannot be removed.
    """
    config = catalog.config
    backend = backend_of(catalog.layout, config)
    # Copies of kept files go with these: none is made meanwhile.
    quiet = nullcontext() if dry_run else mover_lock(catalog, progress)
    with quiet, backend.maintenance_lock(config.commit_timeout_seconds):
        before = {row["path"] for row in scheduled_files(catalog)}
        with backend.commit_lock(config.commit_timeout_seconds), backend.uses() as uses:
            old = catalog.query(
                catalog.statement("expirable_snapshots"), {"before": datetime.now(UTC) - older_than}
            )["id"].to_pylist()
            named = set(pinned(catalog))
            going = [id_ for id_ in old if id_ not in named and not any(use.covers(id_) for use in uses)]
            if going and not dry_run:
                _expire(catalog, going)
            if not dry_run:
                schedule_objects(catalog)
        if not dry_run:
            keep_shared_files(catalog)
        scheduled = scheduled_files(catalog)
        due = [row for row in scheduled if row["since"] < datetime.now(UTC) - _stays(row, grace)]
        if not dry_run:
            _remove(catalog, due, progress)
    return Expired(
        snapshots=going,
        in_use=sorted(set(old) - set(going)),
        files_scheduled=len({row["path"] for row in scheduled} - before),
        files_removed=len(due),
    )


def scheduled_files(catalog: Catalog) -> list[dict[str, Any]]:
    """Files that no snapshot holds any more: `path` as DuckLake has it, `name`, `location`, `since`."""
    rows = catalog.query(catalog.statement("scheduled_files"), {"data": f"{catalog.layout.data}{os.sep}"})
    listed: list[dict[str, Any]] = rows.to_pylist()
    return [
        {**row, "location": (location := _plain(row["location"])), "name": key_name(location)}
        for row in listed
    ]


def _plain(location: str) -> str:
    """An absolute path without `..`; a URL as it is."""
    return location if "://" in location else os.path.normpath(location)


def _stays(file: dict[str, Any], grace: timedelta) -> timedelta:
    # A job that brings the same content again uses the object that is there, and commits that later.
    return max(grace, GRACE) if is_object(file["name"]) else grace


def _expire(catalog: Catalog, snapshots: Sequence[int]) -> None:
    cursor = catalog.connection.cursor()
    try:
        cursor.execute("USE lake")
        cursor.execute(f"CALL ducklake_expire_snapshots('lake', versions => {list(snapshots)})")
    except duckdb.Error as error:
        raise LakeError(
            f"the catalog refused to let snapshots go ({first_line(error)})",
            str(catalog.layout.root),
            "Nothing was changed; run the same command again",
        ) from error
    finally:
        cursor.close()


def _remove(catalog: Catalog, files: Sequence[dict[str, Any]], progress: Progress) -> None:
    """Remove files, then forget them: what a crash leaves between is removed again, which does no harm.

    Of a kept file every copy goes: another import may bring the same content under the same name.
    """
    if not files:
        return
    names = {file["name"] for file in files if is_object(file["name"])}
    copies = [one.location for one in pending_removals(catalog) if one.name in names]
    with progress.task("remove files", total=len(files), unit="files") as task:
        for file in files:
            delete_location(str(file["location"]))
            for copy in copies:
                if key_name(copy) == file["name"]:
                    delete_location(copy)
            destroy_keys([str(file["location"])])
            task.advance()
    gone = pa.table({"path": [file["path"] for file in files], "name": [file["name"] for file in files]})
    backend = backend_of(catalog.layout, catalog.config)
    with backend.commit_lock(catalog.config.commit_timeout_seconds):
        cursor = catalog.connection.cursor()
        try:
            cursor.register("given", gone.__arrow_c_stream__())
            cursor.execute("CREATE TEMP TABLE gone_files AS FROM given")
            cursor.execute("BEGIN")
            for table, key, gone_by in (
                ("ducklake_files_scheduled_for_deletion", "path", "path"),
                ("baselake_files", "name", "name"),
                ("baselake_object_places", "path", "name"),
            ):
                cursor.execute(
                    f"DELETE FROM __ducklake_metadata_lake.{table}"
                    f" WHERE {key} IN (SELECT {gone_by} FROM gone_files)"
                )
            cursor.execute(
                "DELETE FROM __ducklake_metadata_lake.baselake_removals WHERE list_contains(?, name)",
                [sorted(names)],
            )
            cursor.execute("COMMIT")
            cursor.execute("DROP TABLE gone_files")
        finally:
            abandon(cursor)
