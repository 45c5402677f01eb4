"""Parquet files whose columns come as numbers of a dictionary, written natively.

Rows of a cohort repeat: what is of a site is the same for every sample, what is of a sample for every site, and values
are few. Arrow's writer looks each value of each row up once more; here a column is coded once, as what its rows share,
and a row group takes of it what each row has (`coding.cpp`). What is written is plain Parquet (parquet.thrift; one
dictionary page and one data page of version 1 to a column of a row group, Zstandard), with the statistics by which
DuckDB and DuckLake leave out row groups and files.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from baselake.lake import footer, thrift
from baselake.lake._coding import encode, number_codes, runs
from baselake.lake.checksum import SummedFile
from baselake.lake.footer import ColumnChunk, column_paths
from baselake.lake.parquet import (
    ZSTD_LEVEL,
    DataFile,
    encrypted_if_keyed,
    finish_file,
    new_file,
    storage_error,
)
from baselake.lake.spec import TableSpec

# Statistics of longer values are left out, as Arrow's writer does.
_LONGEST_STATISTIC = 4096


class _Step(NamedTuple):
    """From a row towards its values: offsets of a list (None: no list), which are not NULL (None: all), whether any may
    be, and how many there are."""

    offsets: np.ndarray | None
    valid: np.ndarray | None
    nullable: bool
    entries: int


@dataclass(frozen=True, kw_only=True)
class _Leaf:
    """A column as Parquet has it: the steps to its values, a code for each, and the values that codes stand for."""

    steps: tuple[_Step, ...]
    codes: np.ndarray
    values: pa.Array

    @cached_property
    def all_values(self) -> "_Values":
        return _values(self.values)

    def some_values(self, used: np.ndarray) -> "_Values":
        """Those of some codes, in their order."""
        return self.all_values if len(used) == len(self.values) else _values(self.values.take(pa.array(used)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """An array that is coded: several row groups may take rows of it.

    Attributes:
        type: the array's.
        leaves: one for each column of Parquet that it becomes.
    """

    type: pa.DataType
    leaves: tuple[_Leaf, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What rows have of a column. Where several row groups are given the same object, it is encoded once.

    Attributes:
        column: the column.
        index: the entry of it that each run of rows has, int32; None: each entry in turn.
        counts: rows of each run, int32; None: one.
    """

    column: Column
    index: np.ndarray | None = None
    counts: np.ndarray | None = None
    _encoded: dict[bool, tuple[tuple[ColumnChunk, bytes], ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def chunks(self, *, optional: bool) -> tuple[tuple[ColumnChunk, bytes], ...]:
        """The column chunks that they become, of a column that may have NULLs or not, and the pages of each."""
        if optional not in self._encoded:
            leaves = self.column.leaves
            self._encoded[optional] = tuple(
                _chunk(leaf, self.index, self.counts, optional=optional) for leaf in leaves
            )
        return self._encoded[optional]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroup:
    """What a row group has: how many rows, and columns by name; of those that are not there every row has NULL."""

    rows: int
    columns: Mapping[str, Rows]


class _Values(NamedTuple):
    """Values as a dictionary page has them; the least and greatest as statistics have them, or None."""

    page: bytes
    least: bytes | None
    greatest: bytes | None


def code_column(array: pa.Array) -> Column:
    """Number what an array holds.

    Args:
        array: of int8, int32, float32 or strings, or lists of those, or maps of strings to them.
    """
    return Column(type=array.type, leaves=tuple(_leaves(array, (), nullable=True)))


def equal_runs(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `Rows` are given of an int32 index in which neighbours are alike: each once, and how many."""
    return runs(index)


class CodedWriter:
    """Writes row groups to one file; a writer that got none leaves no file.

    Args:
        spec: the table; of its columns the file has those of its schema.
        path: the file, which must not be there.
        finished: told of the file when it is durable.
    """

    def __init__(
        self, spec: TableSpec, path: Path, finished: Callable[[DataFile], None] | None = None
    ) -> None:
        self._spec = spec
        self._path = path
        self._finished = finished
        self._paths = [path for each in spec.schema for path in column_paths(each)]
        self._sorted_by = [self._paths.index((name,)) for name in spec.sort_by]
        self._groups: list[thrift.Value] = []
        self._rows = 0
        try:
            self._file = SummedFile(new_file(path))
            self._out = encrypted_if_keyed(self._file, path)
            self._out.write(footer.MAGIC)
        except OSError as error:
            raise storage_error(error, path) from error

    @property
    def written_bytes(self) -> int:
        """What the file has so far."""
        return self._file.tell()

    @property
    def row_groups(self) -> int:
        """How many were written."""
        return len(self._groups)

    def write(self, group: RowGroup) -> None:
        """Write a row group.

        Raises:
            StorageError: the disk is full or fails.
            ValueError: a column is of another type than the table's, has another number of rows, or is required and
                has a NULL.
        """
        try:
            self._write(group)
        except OSError as error:
            raise storage_error(error, self._path) from error

    def _write(self, group: RowGroup) -> None:
        begin = self.written_bytes
        told, pages = [], []
        for wanted in self._spec.schema:
            given = group.columns.get(wanted.name) or _all_null(wanted.type, group.rows)
            if given.column.type != wanted.type:
                raise ValueError(f"{self._spec.name}.{wanted.name} is {wanted.type}, not {given.column.type}")
            for chunk, data in given.chunks(optional=wanted.name not in self._spec.required):
                if not pa.types.is_nested(wanted.type) and chunk.entries != group.rows:
                    raise ValueError(
                        f"{self._spec.name}.{wanted.name} has {chunk.entries} rows of {group.rows}"
                    )
                told.append(chunk)
                pages.append(data)
        self._out.write(b"".join(pages))
        self._groups.append(
            footer.row_group(self._paths, told, begin, group.rows, self._sorted_by, len(self._groups))
        )
        self._rows += group.rows

    def close(self) -> DataFile | None:
        """Write the footer, make the file durable and tell the job; None where there were no rows.

        Raises:
            StorageError: the disk is full or fails.
        """
        try:
            if self._groups:
                self._out.write(
                    footer.footer(self._spec.schema, self._spec.required, self._rows, self._groups)
                )
        except OSError as error:
            raise storage_error(error, self._path) from error
        return finish_file(self._spec.name, self._path, self._file, self._rows, self._finished)

    def abandon(self) -> None:
        """Let go of the file; the job that owns it removes it."""
        self._file.close()


def _chunk(
    leaf: _Leaf, index: np.ndarray | None, counts: np.ndarray | None, *, optional: bool
) -> tuple[ColumnChunk, bytes]:
    """A column of a row group, wherever it comes to lie, and its pages."""
    steps = (leaf.steps[0]._replace(nullable=optional), *leaf.steps[1:])
    used, data, entries, nulls = encode(steps, leaf.codes, len(leaf.values), index, counts)
    values = leaf.some_values(used)
    dictionary, plain = b"", len(data)
    if len(used):
        packed = _compressed(values.page)
        dictionary = footer.dictionary_page(len(used), len(values.page), len(packed)) + packed
        plain += len(dictionary) - len(packed) + len(values.page)
    packed = _compressed(data)
    header = footer.data_page(entries, len(data), len(packed), all_null=not len(used))
    pages = dictionary + header + packed
    chunk = ColumnChunk(
        type=leaf.values.type,
        entries=entries,
        nulls=nulls,
        least=values.least,
        greatest=values.greatest,
        dictionary_bytes=len(dictionary),
        bytes=len(pages),
        plain_bytes=plain + len(header),
    )
    return chunk, pages


def _compressed(data: bytes) -> bytes:
    return pa.Codec("zstd", ZSTD_LEVEL).compress(data, asbytes=True)


def _all_null(kind: pa.DataType, rows: int) -> Rows:
    column = code_column(pa.nulls(1, kind))
    return Rows(column=column, index=np.zeros(1, np.int32), counts=np.array([rows], np.int32))


def _leaves(array: pa.Array, above: tuple[_Step, ...], *, nullable: bool) -> Iterator[_Leaf]:
    valid = array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None
    kind = array.type
    if pa.types.is_list(kind) or pa.types.is_map(kind):
        steps = (*above, _Step(array.offsets.to_numpy(), valid, nullable, len(array)))
        if pa.types.is_map(kind):
            yield from _leaves(array.keys, steps, nullable=False)
            yield from _leaves(array.items, steps, nullable=True)
        else:
            yield from _leaves(array.values, steps, nullable=True)
        return
    steps = (*above, _Step(None, valid, nullable, len(array)))
    if pa.types.is_integer(kind):
        coded = number_codes((array.fill_null(0) if array.null_count else array).to_numpy(), valid)
        if coded is not None:
            yield _Leaf(steps=steps, codes=coded[0], values=pa.array(coded[1]).cast(kind))
            return
    # Floats by their bits: no NaN and no zero is another.
    bits = array.view(pa.int32()) if kind == pa.float32() else array
    dictionary = bits.dictionary_encode()
    codes = dictionary.indices.fill_null(0) if array.null_count else dictionary.indices
    yield _Leaf(steps=steps, codes=codes.to_numpy(), values=dictionary.dictionary.view(kind))


def _values(values: pa.Array) -> _Values:
    if pa.types.is_string(values.type):
        texts = [text.encode() for text in values.to_pylist()]
        page = b"".join([part for text in texts for part in (struct.pack("<I", len(text)), text)])
        if not texts or max(map(len, texts)) > _LONGEST_STATISTIC:
            return _Values(page, None, None)
        return _Values(page, min(texts), max(texts))
    if pa.types.is_integer(values.type):
        numbers = values.to_numpy().astype("<i4")
        known = numbers
    else:
        numbers = values.to_numpy().astype("<f4")
        known = numbers[~np.isnan(numbers)]
    if not len(known):
        return _Values(numbers.tobytes(), None, None)
    least, greatest = known.min(), known.max()
    if pa.types.is_floating(values.type):
        # Who compares may not tell zeros apart: the least is the negative one, the greatest the positive one.
        least = np.float32(-0.0) if least == 0 else least
        greatest = np.float32(0.0) if greatest == 0 else greatest
    return _Values(numbers.tobytes(), least.tobytes(), greatest.tobytes())
