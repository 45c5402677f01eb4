"""The lake's data files: where each lies, how large it is and what its bytes must add up to.

DuckLake knows where a file is and how large; the checksum is kept beside that, by the file's name. A file of ours is
summed while it is written, one that DuckLake wrote when its transaction has been committed.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from baselake.catalog.cursors import abandon
from baselake.lake.location import checksum_of
from baselake.lake.partition import LakeLayout
from baselake.lake.schema import shown_name

_STORED = (Path(__file__).parent / "sql" / "statements" / "stored_files.sql").read_text()
_NEW = (Path(__file__).parent / "sql" / "statements" / "new_files.sql").read_text()
_FILES = "__ducklake_metadata_lake.baselake_files"
_NEWEST = "SELECT max(snapshot_id) FROM __ducklake_metadata_lake.ducklake_snapshot"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A Parquet file that some snapshot of the lake holds.

    Attributes:
        name: the last element of its path, unique in the lake.
        kind: `rows` of a table, or `deletes`: which rows of another file are gone.
        table: the table, as users call it.
        file_id: DuckLake's number of it, unique among its kind.
        location: absolute path or URL.
        bytes: its size as DuckLake has it.
        written_bytes: its size when it came into the lake.
        checksum: XXH3-128 of its bytes, hexadecimal; None: it is older than these sums.
        rows: in it.
        begin_snapshot: the first snapshot that holds it.
        end_snapshot: the first that no longer does; None: the newest does.
        written: when it came into the lake, in seconds since 1970; None: it was not taken down yet.
    """

    name: str
    kind: str
    table: str
    file_id: int
    location: str
    bytes: int
    written_bytes: int | None
    checksum: str | None
    rows: int
    begin_snapshot: int
    end_snapshot: int | None
    written: int | None


def stored_files(
    connection: duckdb.DuckDBPyConnection, layout: LakeLayout, *, since: int = 0
) -> list[StoredFile]:
    """The files of all snapshots, by table and path.

    Args:
        connection: to the lake.
        layout: where the lake is.
        since: only files that came with this snapshot or later.
    """
    cursor = connection.cursor()
    try:
        rows = cursor.execute(_STORED, {"data": f"{layout.data}{os.sep}", "since": since}).to_arrow_table()
    finally:
        cursor.close()
    return [StoredFile(**{**row, "table": shown_name(row["table"])}) for row in rows.to_pylist()]


def record_files(cursor: duckdb.DuckDBPyConnection, layout: LakeLayout, checksums: Mapping[str, str]) -> None:
    """Set down what the files that this process committed last add up to; the commit lock must be held.

    It costs the same however many files the lake has: it is part of every commit.

    Args:
        cursor: to the lake.
        layout: where the lake is.
        checksums: of the files that were summed when they were written, by name; the others are read.
    """
    # Nobody else commits meanwhile. DuckLake would tell its last snapshot in a transaction of its own.
    ((snapshot,),) = cursor.execute(_NEWEST).fetchall()
    new = cursor.execute(_NEW, {"data": f"{layout.data}{os.sep}", "snapshot": snapshot}).fetchall()
    if not new:
        return
    # A transaction that changed nothing made no snapshot: the last one's files are set down already.
    places = ", ".join("?" * len(new))
    rows = cursor.execute(
        f"SELECT name FROM {_FILES} WHERE name IN ({places})", [name for name, _, _ in new]
    ).fetchall()
    known = {name for (name,) in rows}
    summed = [
        (name, size, checksums.get(name) or checksum_of(location))
        for name, location, size in new
        if name not in known
    ]
    _insert(cursor, summed)


def record_forgotten_files(connection: duckdb.DuckDBPyConnection, layout: LakeLayout) -> None:
    """Set that down for every file whose writer died between its commit and `record_files`."""
    new = _unknown(connection, layout)
    _insert(connection.cursor(), [(file.name, file.bytes, checksum_of(file.location)) for file in new])


def record_old_files(connection: duckdb.DuckDBPyConnection, layout: LakeLayout) -> None:
    """Take down the files of a lake whose release summed none; `doctor` sums them when it reads them."""
    _insert(connection.cursor(), [(file.name, file.bytes, None) for file in _unknown(connection, layout)])


def record_checksums(connection: duckdb.DuckDBPyConnection, sums: Mapping[str, tuple[int, str]]) -> None:
    """Set down bytes and checksum of files that were summed later than written; the commit lock must be held.

    Args:
        connection: to the lake.
        sums: bytes and checksum by the file's name.
    """
    names = list(sums)
    cursor = connection.cursor()
    try:
        known = cursor.execute(f"SELECT name, written FROM {_FILES}").fetchall()
        written = {name: when for name, when in known if name in sums}
        rows = pa.table(
            {
                "name": names,
                "bytes": [sums[name][0] for name in names],
                "checksum": [sums[name][1] for name in names],
                "written": [written.get(name, int(time.time())) for name in names],
            }
        )
        cursor.register("given", rows.__arrow_c_stream__())
        cursor.execute("CREATE OR REPLACE TEMP TABLE summed_files AS FROM given")
        cursor.execute("BEGIN")
        cursor.execute(f"DELETE FROM {_FILES} WHERE name IN (SELECT name FROM summed_files)")
        cursor.execute(f"INSERT INTO {_FILES} BY NAME SELECT * FROM summed_files")
        cursor.execute("COMMIT")
        cursor.execute("DROP TABLE summed_files")
    finally:
        abandon(cursor)


def _unknown(connection: duckdb.DuckDBPyConnection, layout: LakeLayout) -> list[StoredFile]:
    # One that was restored is registered twice.
    return list(
        {file.name: file for file in stored_files(connection, layout) if file.written is None}.values()
    )


def _insert(cursor: duckdb.DuckDBPyConnection, files: Sequence[tuple[str, int, str | None]]) -> None:
    """Set down names, bytes and checksums."""
    if not files:
        return
    names, sizes, checksums = zip(*files, strict=True)
    rows = pa.table(
        {
            "name": list(names),
            "bytes": list(sizes),
            "checksum": pa.array(checksums, pa.string()),
            "written": [int(time.time())] * len(files),
        }
    )
    cursor.register("new_files", rows.__arrow_c_stream__())
    cursor.execute(f"INSERT INTO {_FILES} BY NAME SELECT * FROM new_files")
    cursor.unregister("new_files")
