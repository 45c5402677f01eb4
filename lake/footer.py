"""What a Parquet file says of itself: page headers, and the footer (parquet.thrift of the Parquet format).

Columns are of the types that `PHYSICAL` has, lists of these, or maps of strings to either.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import pyarrow as pa

from baselake.lake import thrift

MAGIC = b"PAR1"
# Numbers of parquet.thrift.
_INT32, _FLOAT, _BYTE_ARRAY = 1, 4, 6  # Type
_REQUIRED, _OPTIONAL, _REPEATED = 0, 1, 2  # FieldRepetitionType
_UTF8, _MAP, _LIST, _INT_8 = 0, 1, 3, 15  # ConvertedType
_STRING_TYPE, _MAP_TYPE, _LIST_TYPE, _INT_TYPE = 1, 2, 3, 10  # of the union LogicalType
_PLAIN, _RLE, _RLE_DICTIONARY = 0, 3, 8  # Encoding
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2  # PageType
_ZSTD = 6  # CompressionCodec
_VERSION = 2  # FileMetaData.version
PHYSICAL = {pa.string(): _BYTE_ARRAY, pa.int8(): _INT32, pa.int32(): _INT32, pa.float32(): _FLOAT}


class ColumnChunk(NamedTuple):
    """What is told of a column of a row group.

    Attributes:
        type: of its values.
        entries: values, NULLs among them.
        nulls: how many these are.
        least: the least value as a page has it; None: not told.
        greatest: likewise.
        dictionary_bytes: of its dictionary page with the header, as it lies in the file; 0: there is none.
        bytes: of all pages.
        plain_bytes: as many as these would be if they were not compressed.
    """

    type: pa.DataType
    entries: int
    nulls: int
    least: bytes | None
    greatest: bytes | None
    dictionary_bytes: int
    bytes: int
    plain_bytes: int


def dictionary_page(values: int, plain_bytes: int, packed_bytes: int) -> bytes:
    """The header of a page of that many values, PLAIN."""
    told = {1: thrift.i32(values), 2: thrift.i32(_PLAIN)}
    return _page(_DICTIONARY_PAGE, 7, thrift.struct(told), plain_bytes, packed_bytes)


def data_page(entries: int, plain_bytes: int, packed_bytes: int, *, all_null: bool) -> bytes:
    """The header of a page of that many entries, numbers of a dictionary but where all are NULL."""
    encoding = _PLAIN if all_null else _RLE_DICTIONARY
    told = {1: thrift.i32(entries), 2: thrift.i32(encoding), 3: thrift.i32(_RLE), 4: thrift.i32(_RLE)}
    return _page(_DATA_PAGE, 5, thrift.struct(told), plain_bytes, packed_bytes)


def _page(kind: int, place: int, told: thrift.Value, plain_bytes: int, packed_bytes: int) -> bytes:
    sizes = {1: thrift.i32(kind), 2: thrift.i32(plain_bytes), 3: thrift.i32(packed_bytes)}
    _, header = thrift.struct({**sizes, place: told})
    return header


def row_group(
    paths: Sequence[tuple[str, ...]],
    chunks: Sequence[ColumnChunk],
    begin: int,
    rows: int,
    sorted_by: Sequence[int],
    ordinal: int,
) -> thrift.Value:
    """What the footer says of a row group.

    Args:
        paths: its columns, as `column_paths` names them.
        chunks: of each of these, which stand one after the other.
        begin: where the first does, bytes from the file's beginning.
        rows: how many it has.
        sorted_by: columns by their places among all, ascending.
        ordinal: its place among row groups.
    """
    columns, at = [], begin
    for path, chunk in zip(paths, chunks, strict=True):
        columns.append(_column_chunk(path, chunk, at))
        at += chunk.bytes
    up = {2: thrift.boolean(False), 3: thrift.boolean(False)}  # not descending, NULL last
    order = [thrift.struct({1: thrift.i32(column), **up}) for column in sorted_by]
    return thrift.struct(
        {
            1: thrift.array(columns),
            2: thrift.i64(sum(chunk.plain_bytes for chunk in chunks)),
            3: thrift.i64(rows),
            4: thrift.array(order) if order else None,
            5: thrift.i64(begin),
            6: thrift.i64(at - begin),
            7: thrift.i16(ordinal) if ordinal < 1 << 15 else None,
        }
    )


def _column_chunk(path: tuple[str, ...], chunk: ColumnChunk, begin: int) -> thrift.Value:
    statistics = {
        3: thrift.i64(chunk.nulls),
        5: None if chunk.greatest is None else thrift.binary(chunk.greatest),
        6: None if chunk.least is None else thrift.binary(chunk.least),
    }
    # By these a reader knows that all values are in the dictionary.
    kinds = [(_DICTIONARY_PAGE, _PLAIN), (_DATA_PAGE, _RLE_DICTIONARY)]
    if not chunk.dictionary_bytes:
        kinds = [(_DATA_PAGE, _PLAIN)]
    pages = [
        thrift.struct({1: thrift.i32(kind), 2: thrift.i32(encoding), 3: thrift.i32(1)})
        for kind, encoding in kinds
    ]
    metadata = thrift.struct(
        {
            1: thrift.i32(PHYSICAL[chunk.type]),
            2: thrift.array([thrift.i32(each) for each in (_PLAIN, _RLE, _RLE_DICTIONARY)]),
            3: thrift.array([thrift.binary(name.encode()) for name in path]),
            4: thrift.i32(_ZSTD),
            5: thrift.i64(chunk.entries),
            6: thrift.i64(chunk.plain_bytes),
            7: thrift.i64(chunk.bytes),
            9: thrift.i64(begin + chunk.dictionary_bytes),
            11: thrift.i64(begin) if chunk.dictionary_bytes else None,
            12: thrift.struct(statistics),
            13: thrift.array(pages),
        }
    )
    return thrift.struct({2: thrift.i64(0), 3: metadata})


def footer(
    schema: pa.Schema, required: Collection[str], rows: int, row_groups: Sequence[thrift.Value]
) -> bytes:
    """The end of a file, its length and the magic number with it.

    Args:
        schema: its columns.
        required: of these, those that never are NULL.
        rows: of all row groups.
        row_groups: in order, one at least.
    """
    root = thrift.struct({4: thrift.binary(b"schema"), 5: thrift.i32(len(schema))})
    elements = [part for each in schema for part in _elements(each, required)]
    as_types_are = thrift.struct({1: thrift.struct({})})  # TypeDefinedOrder
    _, told = thrift.struct(
        {
            1: thrift.i32(_VERSION),
            2: thrift.array([root, *elements]),
            3: thrift.i64(rows),
            4: thrift.array(row_groups),
            6: thrift.binary(b"baselake"),
            7: thrift.array([as_types_are for each in schema for _ in column_paths(each)]),
        }
    )
    return told + len(told).to_bytes(4, "little") + MAGIC


def column_paths(of: pa.Field) -> list[tuple[str, ...]]:
    """The columns of Parquet that a field becomes, each by its steps, in order."""
    if pa.types.is_list(of.type):
        return [(of.name, "list", *path) for path in column_paths(pa.field("element", of.type.value_type))]
    if pa.types.is_map(of.type):
        inner = (pa.field("key", of.type.key_type), pa.field("value", of.type.item_type))
        return [(of.name, "key_value", *path) for each in inner for path in column_paths(each)]
    return [(of.name,)]


def _elements(of: pa.Field, required: Collection[str] = ()) -> list[thrift.Value]:
    """A field in the footer's schema: itself, and what is in it."""
    own = {3: thrift.i32(_REQUIRED if of.name in required else _OPTIONAL), 4: thrift.binary(of.name.encode())}
    if pa.types.is_list(of.type):
        inner = _elements(pa.field("element", of.type.value_type))
        return [*_group(own, _LIST, _LIST_TYPE), _repeated("list", 1), *inner]
    if pa.types.is_map(of.type):
        inner = [
            *_elements(pa.field("key", of.type.key_type), ("key",)),
            *_elements(pa.field("value", of.type.item_type)),
        ]
        return [*_group(own, _MAP, _MAP_TYPE), _repeated("key_value", 2), *inner]
    own = {1: thrift.i32(PHYSICAL[of.type]), **own}
    if of.type == pa.string():
        own |= {6: thrift.i32(_UTF8), 10: _logical(_STRING_TYPE)}
    elif of.type == pa.int8():
        own |= {6: thrift.i32(_INT_8), 10: _logical(_INT_TYPE, {1: thrift.byte(8), 2: thrift.boolean(True)})}
    return [thrift.struct(own)]


def _group(own: dict[int, thrift.Value], converted: int, logical: int) -> list[thrift.Value]:
    told = {5: thrift.i32(1), 6: thrift.i32(converted), 10: _logical(logical)}
    return [thrift.struct({**own, **told})]


def _repeated(name: str, children: int) -> thrift.Value:
    return thrift.struct({3: thrift.i32(_REPEATED), 4: thrift.binary(name.encode()), 5: thrift.i32(children)})


def _logical(kind: int, fields: Mapping[int, thrift.Value | None] = MappingProxyType({})) -> thrift.Value:
    """A LogicalType: which of the union's, and what it holds."""
    return thrift.struct({kind: thrift.struct(fields)})
