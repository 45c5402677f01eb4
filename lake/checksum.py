"""Checksums of data files: XXH3-128, which costs a tenth of what compressing the same bytes does.

It tells damage, not forgery: what came into the lake from outside is known by SHA-256.
"""

from typing import BinaryIO

from xxhash import xxh3_128


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
