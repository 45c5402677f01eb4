"""String columns between Arrow and the native kernels, without a copy: the Python side of arrow_columns.h."""

import numpy as np
import pyarrow as pa


def string_buffers(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and bytes of a string or binary column; a NULL row is an empty one.

    Args:
        column: `string` or `binary`, n rows; a slice is fine.

    Returns:
        offsets, int32 of n + 1, and bytes, uint8, both views: row i is bytes[offsets[i] : offsets[i + 1]].
    """
    _, offsets, data = column.buffers()
    if offsets is None or offsets.size == 0:
        return np.zeros(1, np.int32), np.zeros(0, np.uint8)
    view = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    return view, np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)


def whole(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece; copied only where it is in several, which `combine_chunks` does in any case."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def string_array(built: tuple[np.ndarray, np.ndarray, np.ndarray], kind: pa.DataType) -> pa.Array:
    """The Arrow column of what a native StringBuilder released: (offsets, bytes, validity bitmap)."""
    offsets, data, valid = built
    buffers = [pa.py_buffer(valid), pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(kind, len(offsets) - 1, buffers)
