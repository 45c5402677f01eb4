"""Arrow string columns that begin or end as NumPy arrays, without a Python object a row."""

import numpy as np
import pyarrow as pa


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
