"""Rows on standard output."""

import shutil
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import duckdb

from baselake.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from baselake.api import Lake

# Rows of a table shown to a person; who wants all asks for csv.
TABLE_ROWS = 200
_BATCH_ROWS = 8192
# Types whose text has neither commas nor quotes.
_UNQUOTED = frozenset(
    {
        *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE"),
        *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    }
)


def write_rows(lake: "Lake", query: str, format_: str | None) -> None:
    """Write the rows of a query on standard output.

    Args:
        lake: an open lake.
        query: SQL; a statement without rows writes nothing.
        format_: one of `options.FORMATS`; None: a table on a terminal, csv elsewhere.

    Raises:
        InputError: the text is not SQL that this lake can answer.
        StorageError: a file that it reads cannot be read now.
    """
    rows = lake.catalog.relation(query)
    if rows is not None:
        _write(lake, rows, format_)


def write_table(lake: "Lake", table: "pa.Table", format_: str | None) -> None:
    """Write the rows of a table that was made outside the lake on standard output; see `write_rows`."""
    cursor = lake.catalog.connection.cursor()
    try:
        _write(lake, cursor.from_arrow(table), format_)
    finally:
        cursor.close()


def _write(lake: "Lake", rows: duckdb.DuckDBPyRelation, format_: str | None) -> None:
    try:
        with lake.catalog.reading():
            _WRITERS[format_ or ("table" if sys.stdout.isatty() else "csv")](rows)
    except duckdb.Error as error:
        raise InputError(f"SQL: {' '.join(str(error).split())}", "", "Correct the query") from error


def _write_table(rows: duckdb.DuckDBPyRelation) -> None:
    rows.show(max_rows=TABLE_ROWS, max_width=shutil.get_terminal_size((120, 40)).columns)


def _write_csv(rows: duckdb.DuckDBPyRelation) -> None:
    # RFC 4180, quoting only what needs it; NULL is an empty field, an empty text is "".
    print(",".join(_quoted_if_needed(name) for name in rows.columns))
    sys.stdout.flush()
    line = " || ',' || ".join(map(_csv_field, rows.columns, rows.types))
    for lines in _batches(rows.project(f"{line} AS line")):
        sys.stdout.write("\n".join([*lines, ""]))
    sys.stdout.flush()


def _csv_field(name: str, kind: object) -> str:
    """SQL of a column as a field."""
    text = f"CAST({_identifier(name)} AS VARCHAR)"
    if str(kind) in _UNQUOTED:  # half the time of a line goes into looking for what needs quotes
        return f"coalesce({text}, '')"
    return (
        f"CASE WHEN {text} IS NULL THEN '' WHEN {text} = '' OR regexp_matches({text}, '[\",\\r\\n]')"
        f" THEN '\"' || replace({text}, '\"', '\"\"') || '\"' ELSE {text} END"
    )


def _batches(rows: duckdb.DuckDBPyRelation) -> Iterator[list[str]]:
    """The values of the only column, some at a time: without Arrow, which takes longer to load than most answers."""
    while batch := rows.fetchmany(_BATCH_ROWS):
        yield [value for (value,) in batch]


def _quoted_if_needed(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in '",\r\n') else text


def _write_json(rows: duckdb.DuckDBPyRelation) -> None:
    between = "["
    for batch in _batches(rows.query("r", "SELECT CAST(to_json(r) AS VARCHAR) AS row FROM r")):
        for row in batch:
            sys.stdout.write(f"{between}{row}")
            between = ",\n"
    sys.stdout.write("]\n" if between != "[" else "[]\n")
    sys.stdout.flush()


def _write_parquet(rows: duckdb.DuckDBPyRelation) -> None:
    import pyarrow.parquet as pq

    reader = rows.to_arrow_reader()
    with pq.ParquetWriter(sys.stdout.buffer, reader.schema, compression="zstd") as out:
        for batch in reader:
            out.write_batch(batch)
    sys.stdout.buffer.flush()


def _write_arrow(rows: duckdb.DuckDBPyRelation) -> None:
    import pyarrow as pa

    reader = rows.to_arrow_reader()
    with pa.ipc.new_stream(sys.stdout.buffer, reader.schema) as out:
        for batch in reader:
            out.write_batch(batch)
    sys.stdout.buffer.flush()


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_WRITERS: dict[str, Callable[[Any], None]] = {
    "table": _write_table,
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
    "arrow": _write_arrow,
}
