"""Arrow columns that begin or end as NumPy arrays, without a Python object a row.

pyarrow's own ways to some of this import `pyarrow.compute`, which takes a tenth of a second: what each command needs
does without.
"""

from itertools import pairwise

import numpy as np
import pyarrow as pa

_FEW_STRETCHES = 64
_COMPARED_ROWS = 8192


def fixed_strings(characters: np.ndarray) -> pa.StringArray:
    """Strings of one length.

    Args:
        characters: uint8 [rows, length], ASCII.
    """
    rows, length = characters.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(length)
    return string_array(offsets, np.ascontiguousarray(characters).reshape(-1))


def string_array(offsets: np.ndarray, characters: np.ndarray) -> pa.StringArray:
    """Strings that lie end to end.

    Args:
        offsets: int32 [rows + 1].
        characters: uint8, ASCII.
    """
    return pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(characters))


def fixed_width(column: pa.ChunkedArray, length: int) -> np.ndarray:
    """The characters of strings that all have one length, uint8 [rows, length].

    Raises:
        ValueError: a string has another length.
    """
    text = "".join(column.to_pylist()).encode()
    if len(text) != len(column) * length:
        raise ValueError(f"strings are not all of {length} characters")
    return np.frombuffer(text, np.uint8).reshape(len(column), length)


def valid_rows(column: pa.Array) -> np.ndarray:
    """Which rows are not NULL, bool."""
    bits = column.buffers()[0]
    if bits is None or not column.null_count:
        return np.ones(len(column), bool)
    unpacked = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
    return unpacked[column.offset : column.offset + len(column)].astype(bool)


def integers(column: pa.Array, null: int = -1) -> np.ndarray:
    """A column of integers as int64.

    Args:
        column: integers of any width.
        null: what stands for NULL.
    """
    if not column.null_count:
        return column.to_numpy().astype(np.int64, copy=False)
    values = np.frombuffer(column.buffers()[1], column.type.to_pandas_dtype())
    return np.where(valid_rows(column), values[column.offset : column.offset + len(column)], null).astype(
        np.int64
    )


def rows_at(column: pa.Array, places: np.ndarray) -> pa.Array:
    """Rows of a column: as slices where they are of a few stretches.

    Args:
        column: any.
        places: int64, at least one.
    """
    cuts = np.flatnonzero(np.diff(places) != 1) + 1
    if len(cuts) > _FEW_STRETCHES:
        return column.take(pa.array(places))
    bounds = [0, *cuts.tolist(), len(places)]
    parts = [column.slice(int(places[first]), last - first) for first, last in pairwise(bounds)]
    return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)


def one_string(column: pa.StringArray) -> str | None:
    """The string that all rows have; None where they differ, are NULL, or there are none."""
    if not len(column) or column.null_count:
        return None
    _, offsets, data = column.buffers()
    bounds = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    length = int(bounds[1] - bounds[0])
    if (np.diff(bounds) != length).any():
        return None
    if length:
        text = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]].reshape(-1, length)
        # A piece at a time: what tells where all of them are equal would be as large as the column.
        for first in range(0, len(text), _COMPARED_ROWS):
            if not (text[first : first + _COMPARED_ROWS] == text[0]).all():
                return None
    return str(column[0])
