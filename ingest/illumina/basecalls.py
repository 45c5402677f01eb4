"""`.bcl`, `.bcl.gz`, `.bcl.bgzf` and `.cbcl`: the calls of a tile in one cycle, as bytes.

Little-endian all. A BCL file is u32 n, then a byte to a cluster (see `call_bytes.h`); `.bcl.gz` is that, compressed
with gzip. A `.bcl.bgzf` has all tiles of a lane one after another behind one n, its `.bci` (u32 0, u32 tiles, a u64
to a tile) the BGZF virtual offset of each tile, and the lane's `.bci` (u32 tile, u32 clusters) which they are.
A CBCL file has tiles of one surface of a lane, each a gzip member of its own; `CbclHeader` is what precedes them.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from baselake.errors import TruncatedInputError
from baselake.ingest.illumina.binary import (
    COPY_AGAIN,
    damaged,
    missing,
    read_file,
    read_head,
    read_part,
    truncated,
)

NoCalls = Literal["bin", "picard"]
MAX_QUALITY = 63  # what the six bits of a call byte hold

_COUNT = struct.Struct("<I")
_CBCL_START = struct.Struct("<HIBBI")
_CBCL_VERSION = 1
_HEAD_BYTES = 1 << 14  # the header of a NovaSeq's 500 tiles takes half of it
_BLOCK_HEADER = struct.Struct("<4B I 2B H")  # gzip's, up to the length of its extra field
_MAX_BLOCK_BYTES = 1 << 16
# An empty block, as samtools and all its kin end a BGZF file with (SAM specification, 4.1.2).
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


@dataclass(frozen=True, slots=True, kw_only=True)
class CbclHeader:
    """The header of a CBCL file.

    Attributes:
        path: the file.
        size, mtime_ns: of the file when its header was read.
        qualities: of each quality bin.
        tiles: uint32 [tiles], the tile numbers, in the order of the file.
        clusters: int64 [tiles], how many clusters each has in the file.
        inflated: int64 [tiles], bytes of each.
        stored: int64 [tiles], bytes each takes in the file.
        offsets: int64 [tiles], where each begins in the file.
        pf_excluded: only clusters that passed the filter are in the file.
    """

    path: Path
    size: int
    mtime_ns: int
    qualities: tuple[int, ...]
    tiles: NDArray[np.uint32]
    clusters: NDArray[np.int64]
    inflated: NDArray[np.int64]
    stored: NDArray[np.int64]
    offsets: NDArray[np.int64]
    pf_excluded: bool

    def index(self, tile: int) -> int | None:
        """Which of its tiles a tile is."""
        found = np.flatnonzero(self.tiles == tile)
        return int(found[0]) if len(found) else None

    @property
    def expected_size(self) -> int:
        """The size the file must have."""
        return int(self.offsets[-1] + self.stored[-1]) if len(self.offsets) else self.size


def read_cbcl_header(path: Path) -> CbclHeader:
    """Read the header of a CBCL file; what it says of the file's size is not compared with the file.

    Raises:
        NotFoundError: no such file.
        TruncatedInputError: it ends within its header.
        InputError: it is not a CBCL file of version 1 with two bits to a base and to a quality bin, or contradicts
            itself.
    """
    head, status = read_head(path, _HEAD_BYTES)
    if len(head) < _CBCL_START.size:
        raise truncated(path, _CBCL_START.size, len(head))
    version, length, base_bits, quality_bits, bins = _CBCL_START.unpack_from(head)
    if version != _CBCL_VERSION:
        raise damaged(path, f"CBCL version {version} at byte 0, where only {_CBCL_VERSION} is known")
    if (base_bits, quality_bits) != (2, 2):
        raise damaged(
            path, f"{base_bits} bits to a base and {quality_bits} to a quality at byte 6, not 2 and 2"
        )
    if bins not in (0, 4):
        raise damaged(path, f"{bins} quality bins at byte 8, where two bits tell four apart")
    if status.st_size < length:
        raise truncated(path, length, status.st_size)
    if length > len(head):
        head = read_part(path, 0, length)
    at = _CBCL_START.size + 8 * bins
    if length < at + 5:
        raise damaged(path, f"a header of {length} bytes at byte 2, which is too short for what it must hold")
    mapping = np.frombuffer(head, "<u4", 2 * bins, _CBCL_START.size).reshape(-1, 2)
    qualities = _qualities(path, mapping)
    (tiles,) = _COUNT.unpack_from(head, at)
    if length != at + 4 + 16 * tiles + 1:
        raise damaged(
            path, f"a header of {length} bytes at byte 2, where {tiles} tiles take {at + 5 + 16 * tiles}"
        )
    table = np.frombuffer(head, "<u4", 4 * tiles, at + 4).reshape(-1, 4)
    excluded = head[length - 1]
    if excluded > 1:
        raise damaged(path, f"{excluded} instead of 0 or 1 at byte {length - 1}")
    clusters, inflated, stored = (table[:, column].astype(np.int64) for column in (1, 2, 3))
    _check_table(path, table[:, 0], clusters, inflated)
    return CbclHeader(
        path=path,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        qualities=qualities,
        tiles=table[:, 0].astype(np.uint32),
        clusters=clusters,
        inflated=inflated,
        stored=stored,
        offsets=length + np.cumsum(stored) - stored,
        pf_excluded=bool(excluded),
    )


def _qualities(path: Path, mapping: NDArray[np.uint32]) -> tuple[int, ...]:
    if not len(mapping):
        return (0, 1, 2, 3)
    if sorted(mapping[:, 0].tolist()) != [0, 1, 2, 3]:
        raise damaged(path, f"the quality bins at byte 12 are {mapping[:, 0].tolist()}, not 0 to 3")
    if mapping[:, 1].max() > MAX_QUALITY:
        raise damaged(
            path, f"a quality of {mapping[:, 1].max()} at byte 12, where {MAX_QUALITY} is the most there is"
        )
    return tuple(mapping[np.argsort(mapping[:, 0]), 1].tolist())


def _check_table(
    path: Path, tiles: NDArray[np.uint32], clusters: NDArray[np.int64], inflated: NDArray[np.int64]
) -> None:
    # A tile of which no cluster passed has no bytes, whatever its count says.
    wrong = np.flatnonzero((inflated != (clusters + 1) // 2) & (inflated != 0))
    if len(wrong):
        k = wrong[0]
        raise damaged(path, f"{inflated[k]:,} bytes for the {clusters[k]:,} clusters of tile {tiles[k]}")
    if len(np.unique(tiles)) != len(tiles):
        raise damaged(path, "a tile stands twice in its table")


def cbcl_table(header: CbclHeader, no_calls: NoCalls) -> bytes:
    """The call byte of each nibble, 16 bytes.

    `bin`: quality bin 0 is a no-call, whatever its base, since its quality stands for one. `picard`: only nibble 0 is;
    a C, G or T of bin 0 has that bin's quality.

    Raises:
        InputError: by Picard's rule an A has quality 0 in another bin than 0, which no call byte can tell from N.
    """
    table = bytearray(base | quality << 2 for quality in header.qualities for base in range(4))
    for nibble in range(16):
        if nibble == 0 or (nibble < 4 and no_calls == "bin"):
            table[nibble] = 0
        elif table[nibble] < 4 and nibble >= 4:
            if no_calls == "picard":
                raise damaged(header.path, f"quality bin {nibble >> 2} is of quality 0")
            table[nibble] = 0
    return bytes(table)


def bcl_table(no_calls: NoCalls) -> bytes:
    """What bytes of quality 0 become, by their base, 16 bytes of which four count.

    `bin`: no-calls all. `picard`: byte 0 is a no-call; others have quality 1, the least Picard lets a call have.
    """
    return bytes([0, 5, 6, 7] if no_calls == "picard" else 4).ljust(16, b"\0")


def read_cbcl_member(header: CbclHeader, index: int, *, lenient: bool) -> bytes:
    """The calls of the file's tile number `index`, two to a byte.

    Args:
        header: of the file.
        index: which tile of its table, 0-based.
        lenient: be content where all calls can be inflated, though the checksum behind them is cut off. Only for
            files that are known to be so.

    Raises:
        TruncatedInputError: the file ends within it.
        InputError: it is damaged, or of another length than the table says.
        NotFoundError: the file is gone.
    """
    size = int(header.inflated[index])
    if size == 0:
        return b""
    offset, stored = int(header.offsets[index]), int(header.stored[index])
    what = f"tile {header.tiles[index]} at byte {offset:,}"
    return _inflate(header.path, read_part(header.path, offset, stored), size, what, lenient=lenient)


def read_bcl(path: Path, clusters: int) -> memoryview:
    """The calls of a `.bcl` or `.bcl.gz` file, a byte to a cluster.

    Raises:
        NotFoundError: no such file.
        TruncatedInputError: it is shorter than that many clusters take.
        InputError: it is damaged, or of another number of clusters.
    """
    data = read_file(path)
    expected = _COUNT.size + clusters
    if path.name.endswith(".gz"):
        if not data:
            raise truncated(path, 1, 0)
        data = _inflate(path, data, expected, "its content", lenient=False)
    if len(data) < _COUNT.size:
        raise truncated(path, expected, len(data))
    (count,) = _COUNT.unpack_from(data)
    if count != clusters:
        raise damaged(path, f"{count:,} clusters at byte 0, and {clusters:,} in the filter file")
    if len(data) < expected:
        raise truncated(path, expected, len(data))
    if len(data) > expected:
        raise damaged(path, f"{len(data):,} bytes where {clusters:,} clusters take {expected:,}")
    return memoryview(data)[_COUNT.size :]


def read_lane_index(path: Path) -> dict[int, tuple[int, int, int]]:
    """Which tiles a lane's `.bcl.bgzf` files hold, from `s_<lane>.bci`.

    Returns:
        By tile: its place among the tiles, 0-based; its first cluster, 0-based; and how many clusters it has.

    Raises:
        NotFoundError: no such file.
        TruncatedInputError: it is empty or ends within an entry.
        InputError: its tiles do not ascend.
    """
    data = read_file(path, 1)
    if len(data) % 8:
        raise truncated(path, len(data) + 8 - len(data) % 8, len(data))
    table = np.frombuffer(data, "<u4").reshape(-1, 2).astype(np.int64)
    if (np.diff(table[:, 0]) <= 0).any():
        raise damaged(path, "its tiles do not ascend")
    first = np.cumsum(table[:, 1]) - table[:, 1]
    return {int(tile): (k, int(first[k]), int(count)) for k, (tile, count) in enumerate(table)}


def read_tile_offsets(path: Path, tiles: int) -> NDArray[np.uint64]:
    """BGZF virtual offsets of the tiles of a cycle, from its `.bcl.bgzf.bci`: uint64 [tiles].

    Raises:
        NotFoundError: no such file.
        TruncatedInputError: it is too short.
        InputError: it is of another version or number of tiles, or too long.
    """
    data = read_file(path, 8)
    version, count = struct.unpack_from("<II", data)
    if version != 0:
        raise damaged(path, f"index version {version} at byte 0, where only 0 is known")
    if count != tiles:
        raise damaged(path, f"{count} tiles at byte 4, and {tiles} in the lane's index")
    if len(data) < 8 + 8 * tiles:
        raise truncated(path, 8 + 8 * tiles, len(data))
    if len(data) > 8 + 8 * tiles:
        raise damaged(path, f"{len(data):,} bytes where {tiles} tiles take {8 + 8 * tiles:,}")
    offsets = np.frombuffer(data, "<u8", tiles, 8)
    # The calls of the first tile follow the count of clusters.
    if tiles and offsets[0] != _COUNT.size:
        block, within = divmod(int(offsets[0]), 1 << 16)
        raise damaged(path, f"the first tile at block {block}, byte {within}, not at 0, {_COUNT.size}")
    return offsets


def read_bgzf_tile(
    path: Path, offsets: NDArray[np.uint64], place: int, clusters: int, total: int
) -> tuple[memoryview, int]:
    """The calls of one tile of a `.bcl.bgzf` file, a byte to a cluster.

    Args:
        path: the file.
        offsets: virtual offsets of its tiles.
        place: which of them the tile is, 0-based.
        clusters: how many the tile has.
        total: how many all tiles of the lane have.

    Returns:
        The calls, and how many bytes were read for them.

    Raises:
        NotFoundError: no such file.
        TruncatedInputError: it ends within the tile.
        InputError: it is damaged, or its index is of another file.
    """
    block, within = int(offsets[place]) >> 16, int(offsets[place]) & 0xFFFF
    size = os.stat(path).st_size if path.exists() else -1
    if size < 0:
        raise missing(path)
    # The block in which the next tile begins may hold the end of this one.
    last = int(offsets[place + 1]) >> 16 if place + 1 < len(offsets) else size
    end = min(size, last + _MAX_BLOCK_BYTES)
    if not block < end:
        raise truncated(path, block + 1, size)
    data = read_part(path, block, end - block)
    pieces: list[bytes] = []
    at, held = 0, 0
    while held < within + clusters:
        length = _block_length(path, data, at, block, size)
        piece = _inflate_block(path, data[at : at + length], block + at)
        pieces.append(piece)
        held += len(piece)
        at += length
    calls = b"".join(pieces)
    if place == 0:
        (count,) = _COUNT.unpack_from(calls)
        if count != total:
            raise damaged(path, f"{count:,} clusters at byte 0, and {total:,} in the lane's index")
    return memoryview(calls)[within : within + clusters], len(data)


def _block_length(path: Path, data: bytes, at: int, begin: int, size: int) -> int:
    if begin + at >= size or len(data) - at < _BLOCK_HEADER.size + 6:
        raise truncated(path, begin + at + len(BGZF_END), size)
    *magic, _, _, _, extra = _BLOCK_HEADER.unpack_from(data, at)
    if magic != [0x1F, 0x8B, 8, 4]:
        raise damaged(path, f"no BGZF block begins at byte {begin + at:,}")
    field, end = at + _BLOCK_HEADER.size, at + _BLOCK_HEADER.size + extra
    while field + 4 <= min(end, len(data) - 2):
        if data[field : field + 4] == b"BC\x02\x00":
            length = int.from_bytes(data[field + 4 : field + 6], "little") + 1
            if at + length > len(data):
                raise truncated(path, begin + at + length, size)
            return length
        field += 4 + int.from_bytes(data[field + 2 : field + 4], "little")
    raise damaged(path, f"the block at byte {begin + at:,} does not say how long it is: gzip, but not BGZF")


def _inflate_block(path: Path, block: bytes, offset: int) -> bytes:
    from isal import igzip_lib

    try:
        return bytes(igzip_lib.decompress(block, flag=igzip_lib.DECOMP_GZIP, bufsize=_MAX_BLOCK_BYTES))
    except igzip_lib.IsalError as error:
        raise damaged(path, f"the block at byte {offset:,} is damaged ({error})") from error


def _inflate(path: Path, data: bytes, size: int, what: str, *, lenient: bool) -> bytes:
    from isal import igzip_lib

    member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    try:
        # One byte more than there may be tells whether there are more.
        inflated: bytes = member.decompress(data, size + 1)
    except igzip_lib.IsalError as error:
        raise damaged(path, f"{what} is damaged ({error})") from error
    if len(inflated) > size:
        raise damaged(path, f"{what} inflates to more than the {size:,} bytes it must have")
    if lenient and len(inflated) == size:
        return inflated
    if not member.eof:
        raise TruncatedInputError(
            f"{what} is cut off: {len(data):,} bytes inflate to {len(inflated):,} of {size:,}",
            str(path),
            COPY_AGAIN,
        )
    if len(inflated) < size:
        raise TruncatedInputError(
            f"{what} inflates to {len(inflated):,} bytes, where {size:,} are expected", str(path), COPY_AGAIN
        )
    if member.unused_data:
        raise damaged(path, f"{len(member.unused_data):,} bytes follow {what}")
    return inflated
