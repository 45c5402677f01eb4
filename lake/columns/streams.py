"""A block's streams in one value: each as it came, or packed by whichever of two compressors makes it smaller.

    block  := number of rows, number of streams, streams
    stream := method, length, bytes

Numbers are of variable length: 7 bits a byte, the lowest first, a set high bit says that more follow. Method 0: as it
is. 1: zstd, and the bytes begin with the number of bytes there were. 2: the entropy coder of `entropy.h`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

import baselake.lake.columns._entropy as _entropy
from baselake.lake.varint import read_varint, varint

_AS_IS, _ZSTD, _ENTROPY = range(3)
# Texts are few beside qualities and bases: of what zstd finds in them level 9 finds nearly all.
_TEXT_LEVEL = 9
_FEW_BYTES = 24
_SHORT = 256


def join(rows: int, streams: Iterable[tuple[bool, bytes]]) -> bytes:
    """One value of many streams; those marked True are plain, and packed here."""
    parts = list(streams)
    out = bytearray(varint(rows) + varint(len(parts)))
    for plain, stream in parts:
        method, content = _AS_IS, stream
        if plain:
            method, content = _pack_short(stream) if len(stream) < _SHORT else _pack(stream)
        out += bytes([method]) + varint(len(content)) + content
    return bytes(out)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedStream:
    """A byte stream that lies in a file and was not read whole.

    Attributes:
        head: its bytes up to its words (`entropy.h`) at least.
        path: of the file.
        at: where in it the stream begins.
        size: bytes of the whole stream.
    """

    head: bytes
    path: str
    at: int
    size: int


def last_of(beginning: bytes) -> tuple[list[bytes], int, int]:
    """The streams of a value but for its last one, and where in the value that begins and how long it is.

    Args:
        beginning: of the value, up to where the last one begins at least.

    Raises:
        ValueError: it is shorter, or damaged, or the last stream was packed again.
    """
    _, at = read_varint(beginning, 0, "a block")
    count, at = read_varint(beginning, at, "a block")
    streams: list[bytes] = []
    for number in range(count):
        if at >= len(beginning):
            raise ValueError("a block ends early")
        method = beginning[at]
        length, at = read_varint(beginning, at + 1, "a block")
        if number == count - 1 and method == _AS_IS:
            return streams, at, length
        if length > len(beginning) - at:
            raise ValueError("a block ends early")
        streams.append(_unpack(method, beginning[at : at + length]))
        at += length
    raise ValueError("a block's last stream is packed again")


def split(block: bytes) -> tuple[int, list[bytes]]:
    """Number of rows and streams of such a value.

    Raises:
        ValueError: it is damaged.
    """
    rows, at = read_varint(block, 0, "a block")
    count, at = read_varint(block, at, "a block")
    streams = []
    for _ in range(count):
        if at >= len(block):
            raise ValueError("a block ends early")
        method = block[at]
        length, at = read_varint(block, at + 1, "a block")
        if length > len(block) - at:
            raise ValueError("a block ends early")
        streams.append(_unpack(method, block[at : at + length]))
        at += length
    return rows, streams


@lru_cache(maxsize=64)
def _pack_short(plain: bytes) -> tuple[int, bytes]:
    """What blocks have again and again, such as what their names have in common."""
    return _pack(plain)


def _pack(plain: bytes) -> tuple[int, bytes]:
    best = (_AS_IS, plain)
    if len(plain) < _FEW_BYTES:
        return best
    for method, packed in (
        (_ZSTD, varint(len(plain)) + _zstd().compress(plain, asbytes=True)),
        (_ENTROPY, _entropy.pack_bytes(plain)),
    ):
        if len(packed) < len(best[1]):
            best = method, packed
    return best


def _unpack(method: int, content: bytes) -> bytes:
    if method == _AS_IS:
        return content
    if method == _ENTROPY:
        return _entropy.unpack_bytes(content)
    if method != _ZSTD:
        raise ValueError(f"a stream of unknown method {method}")
    size, at = read_varint(content, 0, "a block")
    plain: bytes = _zstd().decompress(content[at:], size, asbytes=True)
    return plain


def _zstd() -> pa.Codec:
    return pa.Codec("zstd", _TEXT_LEVEL)
