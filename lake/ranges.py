"""A file of which ranges can be asked for, as Python and Arrow read files."""

import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

_BUFFER = 1 << 16  # of reads smaller than this more is fetched


def open_ranges(fetch: Callable[[int, int], bytes], size: int) -> BinaryIO:
    """A file for reading here and there.

    Args:
        fetch: gives bytes [start, end).
        size: of the file.
    """
    return io.BufferedReader(_Ranges(fetch, size), _BUFFER)


class _Ranges(io.RawIOBase):
    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        self._fetch = fetch
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: "Buffer") -> int:
        view = memoryview(buffer).cast("B")
        end = min(self._size, self._at + len(view))
        if end <= self._at:
            return 0
        piece = self._fetch(self._at, end)
        view[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)
