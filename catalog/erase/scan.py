"""The proof: every file of the lake and all of its catalog are searched for what was erased.

Parquet files are read value by value, dictionaries and statistics included; every file, those too, is searched byte by
byte as it lies on disk, and what is compressed with gzip also as it was before. A read's name that reads of others bear
as well is no trace of the sample: such names are counted and left out.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from baselake.catalog.catalog import Catalog
from baselake.catalog.erase._names import NameSet
from baselake.catalog.erase.history import row_files
from baselake.catalog.erase.metadata import METADATA
from baselake.catalog.erase.names import buffers
from baselake.catalog.erase.subject import Subject, owned_by_others
from baselake.catalog.objects import kept_objects
from baselake.lake.location import open_location
from baselake.progress import Progress

_PIECE = 8 << 20
_OVERLAP = 1 << 10  # longer than any name or identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Where something of the sample still is.

    Attributes:
        where: file or table, and column.
        what: `identifier` or `names`.
        times: how often.
    """

    where: str
    what: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a scan came to.

    Attributes:
        files: searched.
        bytes: of them, as they lie on disk.
        names: of reads that were searched for.
        every: 1 where all names were; else one name in so many, for want of memory.
        shared: names left out since reads of others bear them.
        catalog_rows: rows of the catalog searched.
        findings: what was found.
    """

    files: int
    bytes: int
    names: int
    every: int
    shared: int
    catalog_rows: int
    findings: tuple[Finding, ...]


class _Search:
    """What is searched for, and what was found of it."""

    def __init__(self, subject: Subject, names: NameSet) -> None:
        self.subject = subject
        self.names = names
        self.findings: list[Finding] = []

    def note(self, where: str, what: str, times: int) -> None:
        if times:
            self.findings.append(Finding(where=where, what=what, times=times))

    def bytes(self, where: str, data: bytes, start: int = 0) -> None:
        self.note(where, "identifier", self.subject.who.occurrences(data, start))
        self.note(where, "names", self.names.occurrences(data, start))


def scan(catalog: Catalog, subject: Subject, names: NameSet, tables: str, progress: Progress) -> Proof:
    """Search the lake.

    Args:
        catalog: the lake.
        subject: who was erased.
        names: of the reads that were; names that others bear are taken out of it.
        tables: the query that yields the names of the catalog's tables.
        progress: counts bytes.

    Raises:
        OSError: a file cannot be read.
    """
    search = _Search(subject, names)
    wanted = names.size
    known = {file.location: file for file in row_files(catalog)}
    files = list(_lake_files(catalog))
    sizes_far = {file.location: file.bytes for file in known.values()}
    sizes_far |= {kept.location: kept.bytes for kept in kept_objects(catalog)}
    far = sorted(location for location in sizes_far if Path(location) not in files)
    shared = 0
    local = (str(path) for path in files if path.suffix == ".parquet")
    for location in [*local, *(location for location in far if location in known)]:
        file = known.get(location)
        partition = dict(file.partition) if file else {}
        with _unless_gone(location):
            shared += _values(catalog, search, location, file.table if file else "", partition)
    sizes = {path: path.stat().st_size for path in files if path.is_file()}
    total = sum(sizes.values())
    with progress.task("search the lake", total=total, unit="bytes") as task:
        for path, size in sizes.items():
            search.bytes(f"the name of {path}", str(path.relative_to(catalog.layout.root)).encode())
            with _unless_gone(str(path)):
                with open_location(str(path)) as source:
                    _raw(search, str(path), source)
                _unpacked(search, str(path))
            task.advance(size)
    for location in far:
        with open_location(location) as source:
            _raw(search, location, source)
        _unpacked(search, location)
    return Proof(
        files=len(sizes) + len(far),
        bytes=total + sum(sizes_far[location] for location in far),
        names=wanted,
        every=names.every,
        shared=shared,
        catalog_rows=_catalog(catalog, search, tables),
        findings=tuple(search.findings),
    )


@contextmanager
def _unless_gone(location: str) -> Iterator[None]:
    """Lets a file be removed while others work on the lake: nothing is in it then."""
    with suppress(FileNotFoundError):
        yield


def _lake_files(catalog: Catalog) -> Iterator[Path]:
    # What the erasure itself still needs is removed after it.
    for path in sorted(catalog.layout.root.rglob("*")):
        if path.is_file() and catalog.layout.erasures not in path.parents:
            yield path


def _values(
    catalog: Catalog, search: _Search, location: str, table: str, partition: dict[str, str | None]
) -> int:
    """Search the values of a Parquet file; how many of its rows of others bear a name of the sample's reads."""
    shared = 0
    with open_location(location) as source:
        try:
            parquet = pq.ParquetFile(source)
        except pa.ArrowInvalid:
            return 0  # the beginning of a file, whose bytes are searched like any other's
        first = 0
        for group in range(parquet.num_row_groups):
            stored = parquet.read_row_group(group)
            # Of coded columns those that may hold text; blocks as such are searched with the file's bytes.
            rows = catalog.decoder.file_rows(stored, location, first, ("name", "tags"))
            first += stored.num_rows
            for name in [field.name for field in rows.schema if not _is_plain(field.type)]:
                where = f"{location}, column {name}"
                if name == "name" and table in ("read_records", "alignments"):
                    shared += _read_names(search, where, rows, partition)
                else:
                    for chunk in rows[name].chunks:
                        for part in _strings(chunk):
                            search.bytes(where, _joined(part))
        coded = _coded(parquet)
    with open_location(location) as source:
        # As dictionaries: a value of theirs that no row has is in the file all the same.
        for column in pq.ParquetFile(source, read_dictionary=coded).read(columns=coded).columns:
            for chunk in column.chunks:
                for dictionary in _dictionaries(chunk):
                    search.bytes(f"{location}, a dictionary", _joined(dictionary))
    return shared


def _coded(parquet: pq.ParquetFile) -> list[str]:
    """The columns of text, by their paths, that have a dictionary in each row group."""
    metadata = parquet.metadata
    found = []
    for place in range(metadata.num_columns):
        chunks = [metadata.row_group(i).column(place) for i in range(metadata.num_row_groups)]
        if chunks and all(
            chunk.physical_type == "BYTE_ARRAY"
            and chunk.has_dictionary_page
            and "DELTA_BYTE_ARRAY" not in chunk.encodings
            for chunk in chunks
        ):
            found.append(chunks[0].path_in_schema)
    return found


def _read_names(search: _Search, where: str, rows: pa.Table, partition: dict[str, str | None]) -> int:
    others = pa.array(owned_by_others(search.subject, rows, partition))
    shared = 0
    for chunk in rows["name"].filter(others).chunks:
        shared += search.names.remove(*buffers(chunk))
    for chunk in rows["name"].filter(pc.invert(others)).chunks:
        search.note(where, "names", search.names.matches(*buffers(chunk)))
    for chunk in rows["name"].chunks:
        search.note(where, "identifier", search.subject.who.occurrences(_joined(chunk)))
    return shared


def _is_plain(kind: pa.DataType) -> bool:
    return not (pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_nested(kind))


def _strings(column: pa.Array) -> Iterator[pa.Array]:
    """The text within a column, however deep."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        yield column
    elif pa.types.is_map(kind):
        yield from _strings(column.keys)
        yield from _strings(column.items)
    elif pa.types.is_list(kind):
        yield from _strings(column.values)
    elif pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            yield from _strings(column.field(i))


def _dictionaries(column: pa.Array) -> Iterator[pa.Array]:
    """The dictionaries within a column, however deep."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        yield column.dictionary
    elif pa.types.is_map(kind):
        yield from _dictionaries(column.keys)
        yield from _dictionaries(column.items)
    elif pa.types.is_list(kind):
        yield from _dictionaries(column.values)
    elif pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            yield from _dictionaries(column.field(i))


def _joined(column: pa.Array) -> bytes:
    """All values of a column, a line each."""
    values = column.drop_null()
    if not len(values) or pa.types.is_null(values.type):
        return b""
    whole = pa.array([0, len(values)], pa.int64())
    lines = pa.LargeListArray.from_arrays(whole, values.cast(pa.large_binary()))
    (line,) = pc.binary_join(lines, pa.scalar(b"\n", pa.large_binary()))
    return line.as_py()


def _raw(search: _Search, where: str, source: BinaryIO) -> None:
    before = b""
    while piece := source.read(_PIECE):
        search.bytes(where, before + piece, len(before))
        before = (before + piece)[-_OVERLAP:]


def _unpacked(search: _Search, location: str) -> None:
    with open_location(location) as source:
        if source.read(2) != b"\x1f\x8b":
            return
        source.seek(0)
        try:
            with gzip.GzipFile(fileobj=source) as unpacked:
                _raw(search, f"{location}, unpacked", unpacked)  # type: ignore[arg-type]
        except (gzip.BadGzipFile, EOFError, zlib.error):
            return  # it only begins like one, or was cut: what it holds was searched as it is


def _catalog(catalog: Catalog, search: _Search, tables: str) -> int:
    count = 0
    for table in catalog.query(tables)["name"].to_pylist():
        rows = catalog.query(f'SELECT * FROM {METADATA}."{table}"')
        count += rows.num_rows
        for name in rows.column_names:
            if pa.types.is_string(rows[name].type):
                for chunk in rows[name].chunks:
                    search.bytes(f"table {table} of the catalog, column {name}", _joined(chunk))
    return count
