"""Making an earlier snapshot the lake's state again, as a new snapshot: history is kept and no data is rewritten.

A snapshot is a set of files, and of files that say which rows of these are deleted. Files that the newest snapshot has
and the earlier one had not end; those it had and the newest has not are registered again, with the row numbers,
statistics, partitions and keys they had. That is one transaction on DuckLake's own tables, for its SQL cannot say it:
it would number rows anew and read every file. Only where a file, or the list of its deleted rows, serves several
snapshots at once is a list of deleted rows written.

A file may so be registered twice under one path: once for the snapshots that had it before, once for those since. Who
deletes the files of expired snapshots must look at paths: see `keep_shared_files`.
"""

import os
import time
from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from baselake.catalog.audit import entry_of
from baselake.catalog.backends import backend_of
from baselake.catalog.catalog import Catalog
from baselake.catalog.connection import duckdb_path
from baselake.catalog.files import record_forgotten_files
from baselake.catalog.job import Job
from baselake.catalog.metadata import metadata_change
from baselake.catalog.objects import object_location, object_places
from baselake.catalog.snapshots import At, find_snapshot
from baselake.config import acting_user
from baselake.errors import ConflictError, LakeError, NotFoundError
from baselake.lake.checksum import SummedFile
from baselake.lake.location import location_exists, open_location, stored_location
from baselake.lake.parquet import encrypted_if_keyed, footer_bytes, storage_error, sync_folder

# Tables that tell how the lake is made, not what is in it: they stay as they are.
NOT_RESTORED = ("schema_migrations",)

# DuckLake finds the columns of a file of deleted rows by these numbers (its specification, delete files; they are
# Iceberg's reserved field ids).
_DELETES = pa.schema(
    [
        pa.field("file_path", pa.string(), metadata={"PARQUET:field_id": "2147483646"}),
        pa.field("pos", pa.int64(), metadata={"PARQUET:field_id": "2147483645"}),
    ]
)
_REMOVED = pa.schema(
    [(name, pa.int64()) for name in ("table_id", "data_file_id", "delete_file_id", "snapshot")]
)
_ADDED = pa.schema(
    [
        *_REMOVED,
        ("partial", pa.bool_()),
        ("new_file_id", pa.int64()),
        ("new_deletes_id", pa.int64()),
        ("written_path", pa.string()),
        *((name, pa.int64()) for name in ("written_rows", "written_bytes", "written_footer")),
    ]
)


def restore_snapshot(catalog: Catalog, at: At) -> int:
    """Make the lake's tables what they were at a snapshot, as one new snapshot; its number.

    Where they are so already nothing is done, and the number is that of the newest snapshot. Views and macros stay as
    this release made them.

    Args:
        catalog: the lake, open for writing.
        at: the snapshot, by number, name or time.

    Raises:
        NotFoundError: no such snapshot, or a file of it is not there any more.
        ConflictError: a table or column of it was dropped since.
        LakeError: another writer held the commit lock too long, or rows lie in the catalog itself.
        StorageError: the disk is full or fails.
    """
    # A job, that what it writes and does not commit is removed; the restoration leaves no lineage: every row's is the
    # one it had.
    with catalog.job("") as job, metadata_change(catalog, "the restoration") as cursor:
        then = find_snapshot(cursor, at, str(catalog.layout.root))
        ((now, next_id),) = cursor.execute(
            "SELECT snapshot_id, next_file_id FROM __ducklake_metadata_lake.ducklake_snapshot"
            " ORDER BY snapshot_id DESC LIMIT 1"
        ).fetchall()
        if then == now:
            return int(now)
        _require_restorable(catalog, cursor, then)
        plan = cursor.execute(
            catalog.statement("restore_plan"),
            {
                "then": then,
                "now": now,
                "excepted": list(NOT_RESTORED),
                "data": duckdb_path(f"{catalog.layout.data}{os.sep}", catalog.config),
            },
        ).to_arrow_table()
        old = [row for row in plan.to_pylist() if row["snapshot"] == then]
        new = {(row["table_id"], row["data_path"]): row for row in plan.to_pylist() if row["snapshot"] == now}
        _require_files(catalog, then, old)
        shown = {row["location"]: _shown(catalog, row, then) for row in old if row["partial"]}
        for row in [row for row in old if row["partial"]]:
            there = new.get((row["table_id"], row["data_path"]))
            if there is not None and np.array_equal(_shown(catalog, there, now), shown[row["location"]]):
                old.remove(row)
                del new[row["table_id"], row["data_path"]]
        if not old and not new:
            return int(now)
        removed = [row | {"snapshot": now + 1} for row in new.values()]
        added = []
        for row in old:
            deletes = _write_deletes(catalog, job, row, shown[row["location"]]) if row["partial"] else {}
            numbers = {"snapshot": now + 1, "new_file_id": next_id}
            next_id += 1
            if deletes or (row["delete_file_id"] is not None and not row["partial"]):
                numbers["new_deletes_id"] = next_id
                next_id += 1
            added.append(row | numbers | deletes)
        who = acting_user(os.environ)
        entry = entry_of(who, "restore", {"snapshot": str(then)}, int(time.time()))
        _register(cursor, "removed", removed, _REMOVED)
        _register(cursor, "added", added, _ADDED)
        cursor.execute(
            "CREATE OR REPLACE TEMP TABLE restoration AS"
            " SELECT CAST(? AS BIGINT) AS new_snapshot, ? AS who, ? AS message, ? AS entry",
            [now + 1, who, f"restore of snapshot {then}", entry],
        )
        cursor.execute(catalog.statement("restore_prepare"))
        cursor.execute(catalog.statement("restore_commit"))
    with backend_of(catalog.layout, catalog.config).commit_lock(catalog.config.commit_timeout_seconds):
        record_forgotten_files(catalog.connection, catalog.layout)  # lists of deleted rows that were written
    return int(now) + 1


def keep_shared_files(catalog: Catalog) -> int:
    """Take off the list of files to delete those that some snapshot still has under another number; how many.

    Whoever deletes the files of expired snapshots (`ducklake_cleanup_old_files`) must call this between, while no one
    else can expire any: DuckLake goes by numbers, and a file that was restored has two.

    Raises:
        LakeError: as `metadata_change` does.
    """
    with metadata_change(catalog, "the list of files to delete") as cursor:
        rows = cursor.execute(catalog.statement("shared_files")).fetchall()
        for (path,) in rows:
            cursor.execute(
                "DELETE FROM __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion WHERE path = ?",
                [path],
            )
    return len(rows)


def _require_restorable(catalog: Catalog, cursor: duckdb.DuckDBPyConnection, then: int) -> None:
    lost = cursor.execute(catalog.statement("restore_lost"), {"then": then}).fetchall()
    if lost:
        raise ConflictError(
            f"snapshot {then} has {lost[0][0]}, which this release's tables have not",
            str(catalog.layout.root),
            f"Look at it as it was: baselake sql --at {then}",
        )
    inlined = cursor.execute(
        "SELECT 1 FROM __ducklake_metadata_lake.ducklake_inlined_data_tables LIMIT 1"
    ).fetchall()
    if inlined:
        raise LakeError(
            "another program has written rows into the catalog itself, which are in no file",
            str(catalog.layout.root),
            "Write them to files: CALL ducklake_flush_inlined_data('lake')",
        )


def _require_files(catalog: Catalog, then: int, old: list[dict[str, Any]]) -> None:
    """Whether everything that a snapshot had and the newest has not is still there."""
    places = [
        stored_location(row[name].removeprefix("cold:"))
        for row in old
        for name in ("location", "deletes_location")
        if row[name]
    ]
    kept = catalog.query(f"SELECT path FROM objects AT (VERSION => {then})")["path"].to_pylist()
    elsewhere = object_places(catalog.connection)
    places += [object_location(catalog.layout, path, elsewhere) for path in kept]
    digests = catalog.query(f'SELECT digest FROM "references" AT (VERSION => {then})')["digest"].to_pylist()
    places += [str(catalog.layout.reference_fasta(digest)) for digest in digests]
    missing = [place for place in places if not location_exists(place)]
    if missing:
        more = f", nor are {len(missing) - 1} more" if len(missing) > 1 else ""
        raise NotFoundError(
            f"a file of snapshot {then} is not there any more{more}",
            missing[0],
            "Put it back from a backup, or restore another snapshot",
        )


def _shown(catalog: Catalog, row: Mapping[str, Any], snapshot: int) -> np.ndarray:
    """Which rows of a file a snapshot shows: int64 [rows], their places in it, ascending, from 0."""
    places: np.ndarray = catalog.query(
        f'SELECT file_row_number AS place FROM "{row["table_name"]}" AT (VERSION => {snapshot})'
        " WHERE filename = ? ORDER BY place",
        [row["location"]],
    )["place"].to_numpy()
    return places


def _write_deletes(
    catalog: Catalog, job: Job, row: Mapping[str, Any], shown: np.ndarray
) -> dict[str, object]:
    """Write which rows of a file a snapshot did not show; nothing where it showed all of them.

    DuckLake puts rows of several snapshots into one file when it merges files, and deletions of several into one when
    it deletes more rows of a file. At each snapshot it leaves out those of later ones; the new snapshot is later than
    all, so that what was not shown has to be deleted in it.
    """
    hidden = np.setdiff1d(np.arange(row["record_count"]), shown, assume_unique=True)
    if not len(hidden):
        return {}
    path = job.replacement(row["folder"], row["location"], "-delete.parquet")
    rows = pa.table({"file_path": pa.repeat(row["location"], len(hidden)), "pos": hidden}, schema=_DELETES)
    try:
        with open(path, "xb") as file:
            pq.write_table(rows, encrypted_if_keyed(SummedFile(file), path))
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(error, path) from error
    size = path.stat().st_size
    with open_location(str(path)) as file:
        footer = footer_bytes(file)
    return {
        "written_path": str(path.relative_to(catalog.layout.data / row["folder"])),
        "written_rows": len(hidden),
        "written_bytes": size,
        "written_footer": footer,
    }


def _register(
    cursor: duckdb.DuckDBPyConnection, name: str, rows: list[dict[str, Any]], schema: pa.Schema
) -> None:
    """Make a temporary table of rows, of which the schema's columns are taken; what a row lacks is NULL."""
    chosen = [{column: row.get(column) for column in schema.names} for row in rows]
    cursor.register("given", pa.Table.from_pylist(chosen, schema=schema).__arrow_c_stream__())
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM given")
    cursor.unregister("given")
