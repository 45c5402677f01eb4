"""Files encrypted with a key each: AES-256 in counter mode (NIST SP 800-38A, 6.5), the counter beginning at 0.

That is safe because a key encrypts one file, which is written once, from its beginning. A file has as many bytes
encrypted as plain, and any stretch of it can be read by itself: sizes, checksums, copies and moves are those of the
encrypted bytes and need no key. It keeps secrets and shows no forgery; damage is told by the checksums in the catalog.

DuckDB reads and writes such files through Python, by paths that begin with `encrypted://`.
"""

import io
import os
from typing import TYPE_CHECKING, BinaryIO

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

if TYPE_CHECKING:
    from typing import Protocol

    from typing_extensions import Buffer

    class Appended(Protocol):
        """What is written to."""

        @property
        def closed(self) -> bool: ...
        def write(self, data: bytes, /) -> int: ...
        def flush(self) -> None: ...
        def close(self) -> None: ...


_BLOCK = 16  # bytes that each value of the counter encrypts
_BUFFER = 1 << 16  # of reads smaller than this more is fetched


def cipher_at(key: bytes, offset: int) -> CipherContext:
    """What encrypts, or decrypts, the bytes of a file from an offset on."""
    block, within = divmod(offset, _BLOCK)
    context = Cipher(AES(key), CTR(block.to_bytes(_BLOCK, "big"))).encryptor()
    context.update(bytes(within))
    return context


class EncryptedOutput:
    """A file open for writing whose bytes are encrypted; it can only be appended to."""

    def __init__(self, file: "Appended", key: bytes) -> None:
        self._file = file
        self._context = cipher_at(key, 0)
        self._written = 0

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, data: "Buffer") -> int:
        view = memoryview(data).cast("B")
        self._file.write(self._context.update(view))
        self._written += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False


def decrypted(file: BinaryIO, key: bytes) -> BinaryIO:
    """An encrypted file open for reading here and there, as it is plain."""
    return io.BufferedReader(_Decrypted(file, key), _BUFFER)


class _Decrypted(io.RawIOBase):
    def __init__(self, file: BinaryIO, key: bytes) -> None:
        self._file = file
        self._key = key
        self._at = -1  # where the context goes on
        self._context: CipherContext | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: "Buffer") -> int:
        view = memoryview(buffer).cast("B")
        start = self._file.tell()
        data = self._file.read(len(view))
        if self._context is None or start != self._at:
            self._context = cipher_at(self._key, start)
        view[: len(data)] = self._context.update(data)
        self._at = start + len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
