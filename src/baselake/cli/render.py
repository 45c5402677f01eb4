"""Rows on standard output."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import duckdb

from baselake.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from baselake.api import Lake

# Rows of a table shown to a person; who wants all asks for csv.
TABLE_ROWS = 200
_BATCH_ROWS = 8192


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
    cursor = lake.catalog.cursor()
    try:
        rows = lake.catalog.relation(query, cursor)
        if rows is not None:
            _write(lake, rows, cursor, format_)
    finally:
        cursor.close()


def write_table(lake: "Lake", table: "pa.Table", format_: str | None) -> None:
    """Write the rows of a table that was made outside the lake on standard output; see `write_rows`."""
    cursor = lake.catalog.connection.cursor()  # the lake need not be in use
    try:
        _write(lake, cursor.from_arrow(table), cursor, format_)
    finally:
        cursor.close()


def _write(
    lake: "Lake", rows: duckdb.DuckDBPyRelation, cursor: duckdb.DuckDBPyConnection, format_: str | None
) -> None:
    form = format_ or ("table" if sys.stdout.isatty() else "csv")
    try:
        with lake.catalog.reading():
            if form == "csv":
                _write_csv(rows, cursor)
            else:
                _WRITERS[form](rows)
    except duckdb.Error as error:
        said = str(error).partition("\n\nLINE ")[0]  # of a statement of ours
        raise InputError(f"SQL: {' '.join(said.split())}", "", "Correct the query") from error


def _write_table(rows: duckdb.DuckDBPyRelation) -> None:
    rows.show(max_rows=TABLE_ROWS, max_width=shutil.get_terminal_size((120, 40)).columns)


def _write_csv(rows: duckdb.DuckDBPyRelation, cursor: duckdb.DuckDBPyConnection) -> None:
    """RFC 4180, quoting only what needs it; NULL is an empty field, an empty text is ""."""
    # DuckDB's writer begins a file. Standard output may be one that is appended to, or none at all: so through a pipe.
    reading, writing = os.pipe()
    with ThreadPoolExecutor(1) as pool:
        copied = pool.submit(_copy, rows, writing)
        try:
            with open(reading, "rb", buffering=0) as pipe:
                shutil.copyfileobj(pipe, sys.stdout.buffer)
            sys.stdout.flush()
        except BaseException:  # Ctrl-C, which DuckDB does not see in a thread; or nobody reads any more
            cursor.interrupt()
            raise
        copied.result()


def _copy(rows: duckdb.DuckDBPyRelation, descriptor: int) -> None:
    try:
        rows.query("r", f"COPY r TO '/dev/fd/{descriptor}' (FORMAT csv, HEADER, USE_TMP_FILE false)")
    finally:
        os.close(descriptor)


def _batches(rows: duckdb.DuckDBPyRelation) -> Iterator[list[str]]:
    """The values of the only column, some at a time: without Arrow, which takes longer to load than most answers."""
    while batch := rows.fetchmany(_BATCH_ROWS):
        yield [value for (value,) in batch]


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


_WRITERS: dict[str, Callable[[Any], None]] = {
    "table": _write_table,
    "json": _write_json,
    "parquet": _write_parquet,
    "arrow": _write_arrow,
}
