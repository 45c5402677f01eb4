"""Where in a Parquet file the values of a column of blocks stand, for who reads them without Parquet's help.

Blocks are packed already, so their columns are stored without compression and without a dictionary: each value lies in
one piece (Parquet format: page headers in Thrift's compact protocol, encoding PLAIN of BYTE_ARRAY).
"""

import struct
from collections.abc import Callable

from baselake.lake.thrift import read_struct

_DATA_PAGE, _DATA_PAGE_V2, _PLAIN = 0, 3, 0  # PageType and Encoding of parquet.thrift
_HEADER_BYTES = 4096  # more than a page header without statistics has

Read = Callable[[int, int], bytes]
"""Bytes of a file from a place on, so many or as many as there are."""


def value_places(read: Read, first: int, size: int) -> list[tuple[int, int]]:
    """Place and length of every value of a column chunk that is not NULL, in order.

    Args:
        read: reads the file.
        first: of the chunk, bytes from the file's beginning.
        size: of the chunk, bytes.

    Raises:
        ValueError: it is not stored as blocks are, or damaged.
    """
    places = []
    at, end = first, first + size
    while at < end:
        header, length = read_struct(read(at, _HEADER_BYTES), 0)
        at += length
        page_end = at + header[3]
        place = at + _levels(header, read, at)
        while place < page_end:
            (value,) = struct.unpack("<I", _exactly(read, place, 4))
            places.append((place + 4, value))
            place += 4 + value
        if place != page_end or page_end > end:
            raise ValueError("a page's values are not as long as it")
        at = page_end
    return places


def _levels(header: dict, read: Read, at: int) -> int:
    """How many bytes of a page stand before its values: which rows have one."""
    kind = header.get(1)
    page = header.get(5 if kind == _DATA_PAGE else 8 if kind == _DATA_PAGE_V2 else 0)
    if not isinstance(page, dict) or page.get(2 if kind == _DATA_PAGE else 4) != _PLAIN:
        raise ValueError("a page has a dictionary, or another encoding than PLAIN")
    if header.get(2) != header.get(3):
        raise ValueError("a page is compressed")
    if kind == _DATA_PAGE_V2:
        return int(page[5] + page[6])
    (levels,) = struct.unpack("<I", _exactly(read, at, 4))
    return 4 + int(levels)


def _exactly(read: Read, at: int, size: int) -> bytes:
    found = read(at, size)
    if len(found) != size:
        raise ValueError("a page ends early")
    return found
