"""BED and TSV, read by DuckDB as text, so that what is wrong can be told with its line."""

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from baselake.catalog.catalog import Catalog
from baselake.errors import InputError, TruncatedInputError
from baselake.ingest.compressed import Digest, decompressed

# UCSC's names of BED's columns after the third: https://genome.ucsc.edu/FAQ/FAQformat.html#format1
BED = (
    *("contig", "start", "end", "name", "score", "strand", "thickStart", "thickEnd", "itemRgb"),
    *("blockCount", "blockSizes", "blockStarts"),
)
_LONGEST_LINE = 16 << 20
_CORRECT = "Correct the line, or leave it out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A decompressed copy of a file.

    Attributes:
        path: the file, as errors name it.
        copy: the copy.
        digest: of the file.
        skip: lines before the first row.
        columns: names of the columns, in order.
    """

    path: Path
    copy: Path
    digest: Digest
    skip: int
    columns: tuple[str, ...]


def plain_copy(path: Path, folder: Path, *, header: bool) -> Plain:
    """Decompress a file of lines of tab-separated columns.

    Args:
        path: the file.
        folder: where the copy goes.
        header: the first line that does not begin with ## names the columns; else they are those of BED.

    Raises:
        InputError: it is damaged, or has no rows.
        NotFoundError, StorageError: it cannot be read.
    """
    copy = folder / "annotation.txt"
    chunks = decompressed(path, 1 << 20)
    with open(copy, "wb") as out:
        while True:
            try:
                out.write(next(chunks))
            except StopIteration as end:
                digest = end.value
                break
    with open(copy, "rb") as lines:
        skip = 0
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if (
                text.startswith("##")
                or (not header and text.startswith(("#", "track", "browser")))
                or not text
            ):
                skip += 1
                continue
            columns = text.removeprefix("#").split("\t")
            if not header:
                names = (*BED, *(f"column{n}" for n in range(len(BED) + 1, len(columns) + 1)))
                return _of(path, copy, digest, skip, names[: len(columns)], line=skip + 1)
            return _of(path, copy, digest, skip + 1, tuple(name.strip() for name in columns), line=skip + 1)
    raise TruncatedInputError("the file has no rows", str(path), "Copy the file from its source again")


def _of(path: Path, copy: Path, digest: Digest, skip: int, columns: tuple[str, ...], *, line: int) -> Plain:
    for place, name in enumerate(columns):
        if not name or name.lower() in [other.lower() for other in columns[:place]]:
            raise InputError(
                f"column {place + 1} has no name of its own: {name!r}", f"{path}, line {line}", _CORRECT
            )
    return Plain(path=path, copy=copy, digest=digest, skip=skip, columns=columns)


@contextmanager
def rows_of(
    catalog: Catalog, plain: Plain, scratch: Path
) -> Generator[duckdb.DuckDBPyConnection, None, None]:
    """A database with the rows as the table `lines`: every column text, and `line`, the number of it in the file.

    Raises:
        InputError: a line has another number of columns; the message names it.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": catalog.config.threads,
        "memory_limit": f"{catalog.config.memory_bytes // 2**20}MiB",
        "temp_directory": str(scratch / "spill"),
        "temp_file_encryption": bool(catalog.config.encrypted),
    }
    memory = duckdb.connect(config=config)
    try:
        names = ", ".join(f"{_quoted(name)}: 'VARCHAR'" for name in plain.columns)
        try:
            memory.execute(
                "CREATE TABLE lines AS SELECT *, row_number() OVER () + $skip AS line FROM read_csv($path,"
                f" columns = {{{names}}}, auto_detect = false, header = false, delim = '\t', quote = '', escape = '',"
                f" skip = {plain.skip}, nullstr = '', max_line_size = {_LONGEST_LINE}, strict_mode = true,"
                " new_line = $ending, null_padding = false)",
                {"path": str(plain.copy), "skip": plain.skip, "ending": _line_ending(plain)},
            )
        except duckdb.Error as error:
            raise _explained(plain, str(error)) from error
        yield memory
    finally:
        memory.close()


def require_none(memory: duckdb.DuckDBPyConnection, plain: Plain, condition: str, what: str) -> None:
    """See that no row meets a condition; the first that does, or of which it is NULL, is named.

    Raises:
        InputError: one does.
    """
    found = memory.execute(f"SELECT min(line) FROM lines WHERE coalesce({condition}, true)").fetchall()[0][0]
    if found is not None:
        raise InputError(what, f"{plain.path}, line {found}", _CORRECT)


def map_of(columns: Sequence[str], kind: str = "VARCHAR") -> str:
    """SQL of a MAP(VARCHAR, kind[]) of columns of text; those that are empty or '.' are left out."""
    entries = ", ".join(
        f"CASE WHEN {_identifier(name)} NOT IN ('', '.')"
        f" THEN {{'k': {_quoted(name)}, 'v': [CAST({_identifier(name)} AS {kind})]}} END"
        for name in columns
    )
    if not columns:
        return f"CAST(NULL AS MAP(VARCHAR, {kind}[]))"
    return f"map_from_entries(list_filter([{entries}], lambda e: e IS NOT NULL))"


def typed(memory: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> dict[str, list[str]]:
    """Columns by what all of their values are: INTEGER, FLOAT or VARCHAR."""
    found: dict[str, list[str]] = {"INTEGER": [], "FLOAT": [], "VARCHAR": []}
    for name in columns:
        value = f"nullif(nullif({_identifier(name)}, ''), '.')"
        counts = memory.execute(
            f"SELECT count({value}),"
            f" count(TRY_CAST({value} AS INTEGER)) FILTER (regexp_full_match({value}, '-?[0-9]+')),"
            f" count(TRY_CAST({value} AS FLOAT)) FROM lines"
        ).fetchall()[0]
        kind = "INTEGER" if counts[0] == counts[1] else "FLOAT" if counts[0] == counts[2] else "VARCHAR"
        found[kind if counts[0] else "VARCHAR"].append(name)
    return found


def _line_ending(plain: Plain) -> str:
    with open(plain.copy, "rb") as lines:
        return "\\r\\n" if lines.readline().endswith(b"\r\n") else "\\n"


def _explained(plain: Plain, text: str) -> InputError:
    line = re.search(r"on Line: (\d+)", text)
    counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    what = (
        f"the line has {counts[2]} columns and not {counts[1]}"
        if counts is not None
        else "the line is not tab-separated text of UTF-8"
    )
    where = f"{plain.path}, line {line[1]}" if line is not None else str(plain.path)
    return InputError(what, where, _CORRECT)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
