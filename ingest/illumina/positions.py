"""Where clusters lie: `.locs`, `.clocs` and `_pos.txt` to the x and y of read names.

Read names hold 10 v + 1000, rounded, of a coordinate v in pixels. `.locs` and `_pos.txt` hold pixels, `.clocs` tenths
of them in bins of 25 pixels, 82 of which make up a row.
"""

import io
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from baselake.ingest.illumina.binary import damaged, read_file, read_head, read_part, truncated

_LOCS_HEADER = struct.Struct("<IfI")
_CLOCS_HEADER = struct.Struct("<BI")
_BINS_IN_A_ROW = 82  # of 25 pixels, on an image of 2048
_TENTHS_IN_A_BIN = 250
_MAX_TENTHS = 1 << 31

Positions = tuple[NDArray[np.int32], NDArray[np.int32]]


def read_positions(path: Path, clusters: int, first: int = 0, total: int | None = None) -> Positions:
    """The positions of a tile's clusters.

    Args:
        path: a file whose name ends in `.locs`, `.clocs` or `_pos.txt`.
        clusters: of the tile.
        first: the tile's first cluster in the file, 0-based.
        total: how many clusters the file must have; None: as many as the tile.

    Returns:
        x and y as read names have them, int32 [clusters].

    Raises:
        NotFoundError: no such file.
        TruncatedInputError: it ends too early.
        InputError: it is not what its name says, or of another number of clusters.
    """
    if path.name.endswith(".locs"):
        held = locs_clusters(path)
        _check_count(path, held, clusters if total is None else total)
        data = read_part(path, _LOCS_HEADER.size + 8 * first, 8 * clusters)
        return _from_pixels(path, np.frombuffer(data, "<f4").reshape(-1, 2), first)
    if path.name.endswith(".clocs"):
        x, y = _read_clocs(path)
    elif path.name.endswith("_pos.txt"):
        x, y = _from_pixels(path, _parse_text(path), 0)
    else:
        raise damaged(path, "not a file of positions: its name ends in none of .locs, .clocs and _pos.txt")
    _check_count(path, len(x), clusters)
    return x, y


def locs_clusters(path: Path) -> int:
    """How many positions a `.locs` file holds, by its header and its size.

    Raises:
        NotFoundError, TruncatedInputError, InputError: as `read_positions`.
    """
    head, status = read_head(path, _LOCS_HEADER.size)
    if len(head) < _LOCS_HEADER.size:
        raise truncated(path, _LOCS_HEADER.size, len(head))
    one, version, clusters = _LOCS_HEADER.unpack(head)
    if one != 1:
        raise damaged(path, f"not a locs file: {one} instead of 1 at byte 0")
    if version != 1.0:
        raise damaged(path, f"locs version {version:g} at byte 4, where only 1 is known")
    expected = _LOCS_HEADER.size + 8 * clusters
    if status.st_size < expected:
        raise truncated(path, expected, status.st_size)
    if status.st_size > expected:
        raise damaged(path, f"{status.st_size:,} bytes where {clusters:,} positions take {expected:,}")
    return int(clusters)


def _check_count(path: Path, held: int, clusters: int) -> None:
    if held != clusters:
        raise damaged(path, f"{held:,} positions, and {clusters:,} clusters in the filter file")


def _from_pixels(path: Path, pixels: NDArray[np.floating], first: int) -> Positions:
    # In double precision: in single, as the file has them, some coordinates of large tiles come out 1 off.
    tenths = np.floor(10 * pixels.astype(np.float64) + 1000.5)
    # Slightly negative pixels happen at the edge of an image; no name has a negative number.
    bad = np.flatnonzero(~((tenths >= 0) & (tenths < _MAX_TENTHS)).all(axis=1))
    if len(bad):
        at = first + int(bad[0])
        x, y = pixels[bad[0]]
        raise damaged(path, f"cluster {at} lies at {x:g}, {y:g}, which is on no image")
    whole = tenths.astype(np.int32)
    return whole[:, 0].copy(), whole[:, 1].copy()


def _read_clocs(path: Path) -> Positions:
    data = read_file(path, _CLOCS_HEADER.size)
    version, bins = _CLOCS_HEADER.unpack_from(data)
    if version != 1:
        raise damaged(path, f"clocs version {version} at byte 0, where only 1 is known")
    counts = np.zeros(bins, np.int64) if bins <= len(data) else None
    if counts is None:
        raise truncated(path, _CLOCS_HEADER.size + bins, len(data))
    at = _CLOCS_HEADER.size
    for number in range(bins):
        if at >= len(data):
            raise truncated(path, at + 1, len(data))
        counts[number] = data[at]
        at += 1 + 2 * data[at]
    if at > len(data):
        raise truncated(path, at, len(data))
    if at < len(data):
        raise damaged(path, f"{len(data) - at:,} bytes follow the last of its {bins:,} bins")
    bin_of = np.repeat(np.arange(bins), counts)
    # Before each offset pair stand the header, the pairs before it, and the counts of the bins up to its own.
    place = _CLOCS_HEADER.size + 2 * np.arange(len(bin_of)) + bin_of + 1
    offsets = np.frombuffer(data, np.uint8)
    x = 1000 + _TENTHS_IN_A_BIN * (bin_of % _BINS_IN_A_ROW) + offsets[place]
    y = 1000 + _TENTHS_IN_A_BIN * (bin_of // _BINS_IN_A_ROW) + offsets[place + 1]
    return x.astype(np.int32), y.astype(np.int32)


def _parse_text(path: Path) -> NDArray[np.float64]:
    lines = io.BytesIO(read_file(path))
    if not lines.getbuffer().nbytes:
        return np.empty((0, 2))
    try:
        values = np.loadtxt(lines, np.float64, comments=None, ndmin=2)
    except ValueError as error:
        raise damaged(path, f"not two numbers to a line: {error}") from error
    if values.shape[1] != 2:
        raise damaged(path, f"{values.shape[1]} numbers to a line instead of two")
    return values
