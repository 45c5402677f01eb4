"""Checksums of data files: XXH3-128, which costs a tenth of what compressing the same bytes does.

It tells damage, not forgery: what came into the lake from outside is known by SHA-256.
"""

from pathlib import Path
from typing import BinaryIO

from xxhash import xxh3_128

_PIECE = 1 << 20


def file_checksum(path: Path) -> str:
    """XXH3-128 of a file's bytes, hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    digest = xxh3_128()
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


class SummedFile:
    """A file open for writing that sums what is written; it can only be appended to."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = xxh3_128()

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def checksum(self) -> str:
        """Of all that was written, hexadecimal."""
        return self._digest.hexdigest()
