"""Every row that any snapshot of the lake holds, read from the files themselves."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from baselake.catalog.catalog import Catalog
from baselake.errors import LakeError
from baselake.lake.location import open_location
from baselake.lake.schema import shown_name

FOR_EVER = np.iinfo(np.int64).max  # the end of a row that the newest snapshot holds


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFile:
    """A file that says which rows of another are gone.

    Attributes:
        file_id: DuckLake's number of it.
        location: absolute path or URL.
        folder: of its table, relative to the hot tier.
        begin_snapshot: the first snapshot in which they are gone, unless the file says so by row.
        bytes: its size.
        checksum: XXH3-128, or None.
    """

    file_id: int
    location: str
    folder: str
    begin_snapshot: int
    bytes: int
    checksum: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFile:
    """A Parquet file of rows.

    Attributes:
        file_id: DuckLake's number of it.
        table_id: and of its table.
        table: the table, as users call it.
        folder: of the table, relative to the hot tier.
        location: absolute path or URL.
        rows: in it.
        bytes: its size.
        row_id_start: DuckLake's number of its first row; None where the rows bring their own.
        begin_snapshot: the first snapshot that holds it.
        end_snapshot: the first that no longer does; None: the newest does.
        checksum: XXH3-128, or None.
        partition: value by partition column, as text.
        deletes: which of its rows are gone, and since when.
    """

    file_id: int
    table_id: int
    table: str
    folder: str
    location: str
    rows: int
    bytes: int
    row_id_start: int | None
    begin_snapshot: int
    end_snapshot: int | None
    checksum: str | None
    partition: Mapping[str, str | None] = field(default_factory=dict)
    deletes: Sequence[DeleteFile] = ()


def row_files(catalog: Catalog) -> list[RowFile]:
    """The files of rows of all snapshots, by table.

    Raises:
        LakeError: a file is encrypted, which erasing does not handle.
    """
    data = {"data": f"{catalog.layout.data}{os.sep}"}
    deletes: dict[int, list[DeleteFile]] = {}
    for row in catalog.query(catalog.statement("delete_files"), data).to_pylist():
        deletes.setdefault(row.pop("data_file_id"), []).append(DeleteFile(**row))
    files = []
    for row in catalog.query(catalog.statement("data_files"), data).to_pylist():
        if row.pop("encryption_key") is not None:
            raise LakeError(
                "an encrypted file cannot be rewritten", row["location"], "Decrypt the lake first"
            )
        row["partition"] = dict(row["partition"] or ())
        row["table"] = shown_name(row["table"])
        files.append(RowFile(**row, deletes=tuple(deletes.get(row["file_id"], ()))))
    return files


def deleted_positions(delete: DeleteFile) -> tuple[np.ndarray, np.ndarray]:
    """Rows that a delete file takes away: their places in the data file, and the first snapshot without them."""
    with open_location(delete.location) as file:
        rows = pq.read_table(file)
    places = rows["pos"].to_numpy()
    if "_ducklake_internal_snapshot_id" in rows.column_names:
        since = rows["_ducklake_internal_snapshot_id"].fill_null(delete.begin_snapshot).to_numpy()
    else:
        since = np.full(len(places), delete.begin_snapshot, np.int64)
    return places, since


def row_spans(file: RowFile) -> np.ndarray:
    """The first snapshot that no longer holds each row of a file, int64 [rows]; `FOR_EVER`: the newest does."""
    ends = np.full(file.rows, FOR_EVER if file.end_snapshot is None else file.end_snapshot, np.int64)
    for delete in file.deletes:
        places, since = deleted_positions(delete)
        np.minimum.at(ends, places, since)
    return ends


def history(files: Sequence[RowFile], table: str) -> Iterator[tuple[RowFile, pa.Table, np.ndarray]]:
    """Yields each file of a small table whole: the file, its rows, and the snapshot at which each row ends."""
    for file in files:
        if file.table == table:
            with open_location(file.location) as source:
                rows = pq.ParquetFile(source).read()
            yield file, rows, row_spans(file)
