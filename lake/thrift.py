"""Thrift's compact protocol (thrift-compact-protocol.md), as far as Parquet needs it.

What is written is put together of values, each its type and its bytes; what is read comes as Python's own values.
"""

from collections.abc import Mapping, Sequence

from baselake.lake.varint import read_varint, varint

Value = tuple[int, bytes]
"""A value's type, as a field or list names it, and its bytes."""

# Types of a field.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64 = 1, 2, 3, 4, 5, 6
_DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 7, 8, 9, 10, 12
_SHORT_LIST = 15  # a list of fewer tells its length beside its type


def boolean(value: bool) -> Value:
    """A field that is one; items of a list are written otherwise."""
    return (_TRUE if value else _FALSE, b"")


def byte(value: int) -> Value:
    return (_BYTE, bytes([value]))


def i16(value: int) -> Value:
    return (_I16, _zigzag(value))


def i32(value: int) -> Value:
    return (_I32, _zigzag(value))


def i64(value: int) -> Value:
    return (_I64, _zigzag(value))


def binary(value: bytes) -> Value:
    return (_BINARY, varint(len(value)) + value)


def array(items: Sequence[Value]) -> Value:
    """A list, of one item at least, all of a type."""
    kind, size = items[0][0], len(items)
    head = bytes([size << 4 | kind]) if size < _SHORT_LIST else bytes([0xF0 | kind]) + varint(size)
    return (_LIST, head + b"".join(data for _, data in items))


def struct(fields: Mapping[int, Value | None]) -> Value:
    """A struct of fields by their numbers, which ascend; those that are None are not there."""
    parts, last = [], 0
    for number, value in fields.items():
        if value is None:
            continue
        kind, data = value
        step = number - last
        parts.append(bytes([step << 4 | kind]) if step < 16 else bytes([kind]) + _zigzag(number))
        parts.append(data)
        last = number
    return (_STRUCT, b"".join([*parts, b"\0"]))


def _zigzag(value: int) -> bytes:
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def read_struct(data: bytes, at: int) -> tuple[dict, int]:
    """Fields of a struct by their numbers, and where it ends.

    Args:
        data: the bytes.
        at: where it begins.

    Raises:
        ValueError: the bytes end before it does, or it is none.
    """
    fields: dict = {}
    number = 0
    while True:
        head, at = _byte(data, at)
        if head == 0:
            return fields, at
        if head >> 4:
            number += head >> 4
        else:
            number, at = _signed(data, at)
        fields[number], at = _value(data, at, head & 15)


def _value(data: bytes, at: int, kind: int) -> tuple[object, int]:
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, at
    if kind == _BYTE:
        return _byte(data, at)
    if kind in (_I16, _I32, _I64):
        return _signed(data, at)
    if kind == _DOUBLE:
        return data[at : at + 8], at + 8
    if kind == _BINARY:
        size, at = _unsigned(data, at)
        return data[at : at + size], at + size
    if kind in (_LIST, _SET):
        head, at = _byte(data, at)
        size = head >> 4
        if size == 15:
            size, at = _unsigned(data, at)
        items = []
        for _ in range(size):
            item, at = _value(data, at, head & 15)
            items.append(item)
        return items, at
    if kind == _STRUCT:
        return read_struct(data, at)
    raise ValueError("a struct has a field of unknown type")


def _byte(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise ValueError("a struct ends early")
    return data[at], at + 1


def _unsigned(data: bytes, at: int) -> tuple[int, int]:
    return read_varint(data, at, "a struct")


def _signed(data: bytes, at: int) -> tuple[int, int]:
    value, at = _unsigned(data, at)
    return value >> 1 ^ -(value & 1), at
