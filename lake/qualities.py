"""Base qualities put into bins, for who asks for it: it loses what the instrument said and saves half of a file."""

import numpy as np
import pyarrow as pa

# By number of bins: the upper bound of each, exclusive, and the quality that stands for it. 8: Illumina's of HiSeq X
# ("Reducing Whole-Genome Data Storage Footprint", 2014); 4: those NovaSeq's RTA3 gives.
BINS: dict[int, tuple[tuple[int, int], ...]] = {
    8: ((2, 0), (10, 6), (20, 15), (25, 22), (30, 27), (35, 33), (40, 37), (94, 40)),
    4: ((3, 2), (18, 12), (30, 23), (94, 37)),
}
_OFFSET = 33  # of a quality in text


def bin_qualities(column: pa.ChunkedArray, bins: int) -> pa.ChunkedArray:
    """A column of qualities as SAM's text, each replaced by that of its bin; NULL stays.

    Args:
        column: `string`.
        bins: a key of `BINS`.
    """
    return pa.chunked_array([_binned(chunk, _TABLES[bins]) for chunk in column.chunks], column.type)


def bin_table(bins: int) -> bytes:
    """What each character of qualities as text becomes: 256 bytes.

    Args:
        bins: a key of `BINS`; 0: each stays as it is.
    """
    return _TABLES[bins] if bins else bytes(range(256))


def _tables() -> dict[int, bytes]:
    tables = {}
    for bins, bounds in BINS.items():
        table, low = bytearray(range(256)), 0
        for high, value in bounds:
            table[_OFFSET + low : _OFFSET + high] = bytes([_OFFSET + value]) * (high - low)
            low = high
        tables[bins] = bytes(table)
    return tables


_TABLES = _tables()


def _binned(chunk: pa.Array, table: bytes) -> pa.Array:
    validity, offsets, data = chunk.buffers()
    if data is None:
        return chunk
    first, last = (
        int(each) for each in np.frombuffer(offsets, np.int32)[[chunk.offset, chunk.offset + len(chunk)]]
    )
    # The text before a slice is nobody's here: left as it is, so that the offsets hold.
    text = bytes(first) + memoryview(data)[first:last].tobytes().translate(table)
    return pa.Array.from_buffers(
        chunk.type, len(chunk), [validity, offsets, pa.py_buffer(text)], offset=chunk.offset
    )
