"""`.filter`: which clusters passed the instrument's chastity filter.

Layout, little-endian: u32 0, u32 version 3, u32 n, then one byte to a cluster, 1 where it passed. One file to a tile,
or, beside `.bcl.bgzf`, one to a lane with its tiles one after another.
"""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from baselake.ingest.illumina.binary import damaged, read_head, read_part, truncated

_HEADER = struct.Struct("<III")
_VERSION = 3


def filter_clusters(path: Path) -> int:
    """How many clusters a filter file is of, by its header and its size.

    Raises:
        NotFoundError: no such file.
        TruncatedInputError: it is shorter than its header says.
        InputError: it is longer, or not a filter file of version 3.
    """
    head, status = read_head(path, _HEADER.size)
    if len(head) < _HEADER.size:
        raise truncated(path, _HEADER.size, len(head))
    zero, version, clusters = _HEADER.unpack(head)
    if zero != 0:
        raise damaged(path, f"not a filter file: {zero} instead of 0 at byte 0")
    if version != _VERSION:
        raise damaged(path, f"filter version {version} at byte 4, where only {_VERSION} is known")
    expected = _HEADER.size + clusters
    if status.st_size < expected:
        raise truncated(path, expected, status.st_size)
    if status.st_size > expected:
        raise damaged(path, f"{status.st_size:,} bytes where {clusters:,} clusters take {expected:,}")
    return int(clusters)


def read_filter(path: Path, first: int = 0, count: int | None = None) -> NDArray[np.bool_]:
    """Which clusters passed.

    Args:
        path: the file.
        first: the first cluster to read, 0-based.
        count: how many; None reads to the end.

    Returns:
        bool [count].

    Raises:
        NotFoundError, TruncatedInputError, InputError: as `filter_clusters`; or clusters are not in it; or a byte is
            neither 0 nor 1.
    """
    clusters = filter_clusters(path)
    if count is None:
        count = clusters - first
    if first + count > clusters:
        raise damaged(path, f"{clusters:,} clusters where the tile's are {first:,} to {first + count - 1:,}")
    flags = np.frombuffer(read_part(path, _HEADER.size + first, count), np.uint8)
    bad = np.flatnonzero(flags > 1)
    if len(bad):
        at = first + int(bad[0])
        raise damaged(path, f"{flags[bad[0]]} instead of 0 or 1 at byte {_HEADER.size + at}, cluster {at}")
    return flags.view(np.bool_)
