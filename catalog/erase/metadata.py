"""The one metadata transaction in which a sample's files leave every snapshot of the lake.

DuckLake's rows are changed directly, under the commit lock. A file that was written again keeps its number, its span of
snapshots and the numbers of its rows; only its path, counts, sizes and statistics are others. No snapshot is added or
taken away, so that a query at any of them goes on answering, without the sample.
"""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from baselake.catalog.audit import append, entry_of, forget_sample
from baselake.catalog.catalog import Catalog
from baselake.catalog.cursors import abandon
from baselake.catalog.erase.history import DeleteFile, RowFile
from baselake.catalog.erase.plan import Loose
from baselake.catalog.erase.rewriting import Column, NewFile, columns_of
from baselake.catalog.erase.text import Identifier

METADATA = "__ducklake_metadata_lake"
# Text that is structure: names and paths, which are changed where files and rows are.
_STRUCTURE = frozenset(
    {
        ("ducklake_data_file", "path"),
        ("ducklake_delete_file", "path"),
        ("ducklake_files_scheduled_for_deletion", "path"),
        ("ducklake_table", "table_name"),
        ("ducklake_column", "column_name"),
        ("ducklake_name_mapping", "source_name"),
        ("ducklake_metadata", "value"),
        ("ducklake_file_partition_value", "partition_value"),
        ("baselake_files", "name"),
        ("baselake_object_places", "location"),
        ("baselake_audit", "entry"),
        ("baselake_audit", "hash"),
    }
)
# Least and greatest values of the columns of files and tables.
_BOUNDS = frozenset({"min_value", "max_value"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """A file of rows and what takes its place.

    Attributes:
        file: as it was.
        new: as it is; None: none of its rows is left.
        deletes: its delete files, each with what takes its place; None: nothing does.
    """

    file: RowFile
    new: NewFile | None
    deletes: Sequence[tuple[DeleteFile, NewFile | None]]


def table_columns(catalog: Catalog, table_id: int) -> dict[str, Column]:
    """DuckLake's columns of a table, by name."""
    rows = catalog.query(
        f"SELECT column_id, column_name, parent_column FROM {METADATA}.ducklake_column"
        " WHERE table_id = ? AND end_snapshot IS NULL",
        [table_id],
    )
    return columns_of(rows.to_pylist())


def text_columns(catalog: Catalog, tables: str) -> list[tuple[str, str]]:
    """Every column of text in the metadata, by table.

    Args:
        catalog: the lake.
        tables: the query that yields the tables.
    """
    found = []
    for table in catalog.query(tables)["name"].to_pylist():
        columns = catalog.query(f"SELECT name, type FROM pragma_table_info('{METADATA}.\"{table}\"')")
        found += [(table, row["name"]) for row in columns.to_pylist() if row["type"] == "VARCHAR"]
    return found


def replace_files(
    catalog: Catalog,
    replaced: Sequence[Replaced],
    loose: Sequence[Loose],
    kept: Sequence[str],
    who: Identifier,
    columns: Sequence[tuple[str, str]],
    erasure_id: str,
    by: str,
) -> tuple[str, int | None]:
    """Make the change, whole or not at all; the commit lock must be held.

    Args:
        catalog: the lake.
        replaced: files of rows.
        loose: files that no snapshot holds.
        kept: paths of kept files that no snapshot has any more.
        who: whose identifier goes from all text of the metadata.
        columns: those with text.
        erasure_id: what the erasure is called in the lake.
        by: who erases.

    Returns:
        what `forget_sample` of the audit does.
    """
    cursor = catalog.connection.cursor()
    try:
        _give(cursor, "gone_files", {"file_id": [each.file.file_id for each in replaced if each.new is None]})
        gone = [delete.file_id for each in replaced for delete, new in each.deletes if new is None]
        _give(cursor, "gone_deletes", {"file_id": gone})
        _give(cursor, "new_files", _new_files(catalog, replaced))
        _give(cursor, "new_deletes", _new_deletes(catalog, replaced))
        _give(cursor, "new_statistics", _statistics(replaced))
        _give(cursor, "less", _less(replaced))
        _give(cursor, "gone_loose", {"file_id": [each.file_id for each in loose if each.file_id is not None]})
        _give(cursor, "new_names", _names(replaced))
        _give(cursor, "old_names", {"name": [Path(path).name for path in old_locations(replaced, loose)]})
        cursor.execute("BEGIN")
        cursor.execute(
            f"DELETE FROM {METADATA}.baselake_object_places WHERE list_contains(?, path)", [list(kept)]
        )
        for statement in (catalog.statement("erase")).split(";"):
            if statement.strip():
                cursor.execute(statement)
        cursor.execute(f"DELETE FROM {METADATA}.baselake_work WHERE sample_id = ?", [who.sample])
        word, changed = forget_sample(cursor, who.sample, who.without)
        _forget_text(cursor, columns, who)
        cursor.execute(
            f"INSERT INTO {METADATA}.baselake_erasures SELECT ?, 'committed', ?, NULL, NULL WHERE NOT EXISTS"
            f" (SELECT 1 FROM {METADATA}.baselake_erasures WHERE erasure_id = ?)",
            [erasure_id, int(time.time()), erasure_id],
        )
        append(cursor, [(None, entry_of(by, "erase", {"subject": word} if word else {}, int(time.time())))])
        cursor.execute("COMMIT")
        return word, changed
    finally:
        abandon(cursor)


def old_locations(replaced: Sequence[Replaced], loose: Sequence[Loose]) -> list[str]:
    """Every file that is in nobody's way any more once the change is made."""
    deletes = [delete.location for each in replaced for delete, _ in each.deletes]
    return [each.file.location for each in replaced] + deletes + [each.location for each in loose]


def _forget_text(
    cursor: duckdb.DuckDBPyConnection, columns: Sequence[tuple[str, str]], who: Identifier
) -> None:
    for table, column in columns:
        if (table, column) in _STRUCTURE:
            continue
        where = " OR ".join(f'contains("{column}", ?)' for _ in who.spellings)
        rows = cursor.execute(
            f'SELECT DISTINCT "{column}" FROM {METADATA}."{table}" WHERE {where}', list(who.spellings)
        ).fetchall()
        for (text,) in rows:
            if who.found(text):
                # Another text would be a wrong bound, and rows behind it would not be found: NULL is no bound.
                said = None if column in _BOUNDS else who.without(text)
                cursor.execute(
                    f'UPDATE {METADATA}."{table}" SET "{column}" = ? WHERE "{column}" = ?', [said, text]
                )


def _give(
    cursor: duckdb.DuckDBPyConnection,
    name: str,
    columns: "pa.Table | dict[str, list[int]] | dict[str, list[str]]",
) -> None:
    if isinstance(columns, dict):
        kind = pa.string() if "name" in columns else pa.int64()
        columns = pa.table({key: pa.array(values, kind) for key, values in columns.items()})
    cursor.register("given", columns.__arrow_c_stream__())
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM given")
    cursor.unregister("given")


def _new_files(catalog: Catalog, replaced: Sequence[Replaced]) -> pa.Table:
    rows = [
        {
            "file_id": each.file.file_id,
            "path": _relative(catalog, each.file.folder, each.new.path),
            "rows": each.new.rows,
            "bytes": each.new.bytes,
            "footer": each.new.footer,
        }
        for each in replaced
        if each.new is not None
    ]
    return pa.Table.from_pylist(rows, schema=_FILES)


def _new_deletes(catalog: Catalog, replaced: Sequence[Replaced]) -> pa.Table:
    rows = [
        {
            "file_id": delete.file_id,
            "path": _relative(catalog, delete.folder, new.path),
            "rows": new.rows,
            "bytes": new.bytes,
            "footer": new.footer,
        }
        for each in replaced
        for delete, new in each.deletes
        if new is not None
    ]
    return pa.Table.from_pylist(rows, schema=_FILES)


_FILES = pa.schema(
    [
        ("file_id", pa.int64()),
        ("path", pa.string()),
        ("rows", pa.int64()),
        ("bytes", pa.int64()),
        ("footer", pa.int64()),
    ]
)
_STATISTICS = pa.schema(
    [
        ("file_id", pa.int64()),
        ("table_id", pa.int64()),
        ("column_id", pa.int64()),
        ("bytes", pa.int64()),
        ("values", pa.int64()),
        ("nulls", pa.int64()),
        ("bounded", pa.bool_()),
        ("least", pa.string()),
        ("greatest", pa.string()),
    ]
)


def _statistics(replaced: Sequence[Replaced]) -> pa.Table:
    rows = [
        {
            "file_id": each.file.file_id,
            "table_id": each.file.table_id,
            "column_id": column.column_id,
            "bytes": column.bytes,
            "values": column.values,
            "nulls": column.nulls,
            "bounded": column.bounded,
            "least": column.least,
            "greatest": column.greatest,
        }
        for each in replaced
        if each.new is not None
        for column in each.new.statistics
    ]
    return pa.Table.from_pylist(rows, schema=_STATISTICS)


def _less(replaced: Sequence[Replaced]) -> pa.Table:
    """By table, rows and bytes that its newest snapshot's files have less; every table that lost something is there."""
    tables: dict[int, list[int]] = {}
    for each in replaced:
        rows, size = tables.setdefault(each.file.table_id, [0, 0])
        if each.file.end_snapshot is None:
            new = (each.new.rows, each.new.bytes) if each.new is not None else (0, 0)
            tables[each.file.table_id] = [rows + each.file.rows - new[0], size + each.file.bytes - new[1]]
    return pa.table(
        {
            "table_id": pa.array(tables, pa.int64()),
            "rows": pa.array([rows for rows, _ in tables.values()], pa.int64()),
            "bytes": pa.array([size for _, size in tables.values()], pa.int64()),
        }
    )


def _names(replaced: Sequence[Replaced]) -> pa.Table:
    files: Iterable[NewFile | None] = [
        new for each in replaced for new in (each.new, *(made for _, made in each.deletes))
    ]
    there = [file for file in files if file is not None]
    return pa.table(
        {
            "name": pa.array([file.path.name for file in there], pa.string()),
            "bytes": pa.array([file.bytes for file in there], pa.int64()),
            "checksum": pa.array([file.checksum for file in there], pa.string()),
            "written": pa.array([int(time.time())] * len(there), pa.int64()),
        }
    )


def _relative(catalog: Catalog, folder: str, path: Path) -> str:
    return str(path.relative_to(f"{catalog.layout.data}{os.sep}{folder}"))
