"""What jobs leave behind that died or failed: files that no snapshot holds, by the journals of `job.py`."""

import os
import shutil
from contextlib import ExitStack

import duckdb

from baselake.catalog.audit import record_audit
from baselake.catalog.backends import backend_of
from baselake.catalog.files import record_forgotten_files
from baselake.catalog.locks import try_lock
from baselake.config import Config
from baselake.lake.keyring import destroy_keys
from baselake.lake.location import delete_empty_folders, delete_location
from baselake.lake.partition import LakeLayout


def sweep(layout: LakeLayout, connection: duckdb.DuckDBPyConnection, config: Config) -> int:
    """Remove what dead jobs left behind; the number of jobs cleared.

    Files that DuckLake itself wrote for a transaction that died (names begin with `ducklake-`) are not in a
    journal; they are looked for only after a crash, under the commit lock, when nobody else can be writing them.
    """
    with ExitStack() as held:
        dead = []
        for journal in sorted(layout.jobs.glob("*")) if layout.jobs.is_dir() else []:
            descriptor = try_lock(journal)
            if descriptor is not None:
                held.callback(os.close, descriptor)
                dead.append(journal)
        for journal in dead:
            remove_files(layout, connection, journal.name)
            shutil.rmtree(layout.job_scratch(journal.name), ignore_errors=True)
        if dead:
            with backend_of(layout, config).commit_lock(config.commit_timeout_seconds):
                remove_inserts(layout, connection)
                record_forgotten_files(connection, layout)
                cursor = connection.cursor()
                record_audit(cursor)
                cursor.close()
        # Last: who dies before has left the journals by which the next one does it again.
        for journal in dead:
            journal.unlink(missing_ok=True)
    return len(dead)


def remove_inserts(layout: LakeLayout, connection: duckdb.DuckDBPyConnection) -> None:
    """Remove the files DuckLake itself wrote for transactions that failed; the commit lock must be held."""
    known = _registered(connection)
    for path in layout.data.rglob("ducklake-*.parquet"):
        if path.name not in known:
            path.unlink()
            destroy_keys([str(path)])


def remove_files(layout: LakeLayout, connection: duckdb.DuckDBPyConnection, job_id: str) -> None:
    """Remove the files in a job's journal that no snapshot holds."""
    lines = layout.job_journal(job_id).read_text().splitlines(keepends=True)
    # A line without its end was cut by the crash, before the file it names was made.
    paths = [layout.root / line.rstrip("\n") for line in lines if line.endswith("\n")]
    objects = [path for path in paths if path.is_relative_to(layout.objects)]
    known = _registered(connection) if len(paths) > len(objects) else set()
    kept = {layout.root / path for path in _kept(connection)} if objects else set()
    for path in paths:
        if path.name not in known and path not in kept:
            # With the folders of its partition that are empty then: they may name a sample that was erased since.
            delete_location(str(path))
            delete_empty_folders(str(path))
            destroy_keys([str(path)])


def _registered(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Names of every Parquet file that some snapshot of the lake still holds."""
    cursor = connection.cursor()
    rows = cursor.execute(
        "SELECT path FROM __ducklake_metadata_lake.ducklake_data_file"
        " UNION ALL SELECT path FROM __ducklake_metadata_lake.ducklake_delete_file"
        " UNION ALL SELECT path FROM __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion"
    ).fetchall()
    cursor.close()
    return {path.rsplit("/", 1)[-1] for (path,) in rows}


def _kept(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Paths, relative to the lake, of what jobs committed, as any snapshot's lineage tells.

    An object may have been replaced since, or the lake restored to a time before the job: earlier snapshots have it. Or
    another job has found it there, and committed it.
    """
    cursor = connection.cursor()
    ((first, newest),) = cursor.execute(
        "SELECT greatest(min(snapshot_id), (SELECT min(begin_snapshot) FROM __ducklake_metadata_lake.ducklake_table"
        " WHERE table_name = 'lineage')), max(snapshot_id) FROM __ducklake_metadata_lake.ducklake_snapshot"
    ).fetchall()
    rows = cursor.execute(
        f"SELECT DISTINCT unnest(outputs) FROM (SELECT outputs FROM lake.lineage AT (VERSION => {first}) UNION ALL"
        f" SELECT outputs FROM ducklake_table_insertions('lake', 'main', 'lineage', {first}, {newest}))",
    ).fetchall()
    cursor.close()
    return {path for (path,) in rows}
