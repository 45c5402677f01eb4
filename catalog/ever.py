"""What a table has held, at whatever snapshot."""

from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from baselake.catalog.connection import first_line
from baselake.errors import LakeError, StorageError

if TYPE_CHECKING:
    from baselake.catalog.catalog import Catalog


def ever(catalog: "Catalog", table: str, columns: str) -> list[dict[str, Any]]:
    """Distinct rows that a table has at any snapshot that is left.

    Args:
        catalog: the lake.
        table: its name.
        columns: of it, as SQL lists them.

    Raises:
        LakeError: the table cannot be read.
    """
    ((first, newest),) = (
        catalog.connection.cursor()
        .execute(
            "SELECT min(snapshot_id), max(snapshot_id) FROM __ducklake_metadata_lake.ducklake_snapshot"
            " WHERE snapshot_id >= (SELECT min(begin_snapshot) FROM __ducklake_metadata_lake.ducklake_table"
            " WHERE table_name = ?)",
            [table],
        )
        .fetchall()
    )
    try:
        rows: pa.Table = catalog.query(
            f'SELECT {columns} FROM "{table}" AT (VERSION => {first}) UNION'
            f" SELECT {columns} FROM ducklake_table_insertions('lake', 'main', '{table}', {first}, {newest})"
        )
    except (duckdb.Error, StorageError) as error:
        raise LakeError(
            f"table {table} cannot be read ({first_line(error)})",
            str(catalog.layout.root),
            "Mend its files first: baselake doctor --repair",
        ) from error
    return rows.to_pylist()
