"""What a job of an encrypted lake spills to its scratch folder is hidden there by keys that no disk ever has.

Each file has a key of its own, in this process's memory, and is encrypted as the lake's files are
(`lake/encryption.py`): who reads the disk while a job is at work, or what a killed one left, has noise. No byte of such
a file is written twice.
"""

import threading
from collections import defaultdict
from pathlib import Path
from typing import BinaryIO, cast

from baselake.lake.keyring import new_key


class SpillCipher:
    """Encrypts and decrypts files as they are spilled and read back. Safe to use from several threads."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes] = defaultdict(new_key)
        self._lock = threading.Lock()

    def __call__(self, path: str, offset: int, data: memoryview) -> None:
        """Encrypt or decrypt, in place, bytes of a file.

        Args:
            path: the file.
            offset: where in it the bytes are.
            data: the bytes, writable.
        """
        from baselake.lake.encryption import cipher_at  # imported here: most lakes do not need it

        data[:] = cipher_at(self._key(path), offset).update(data)

    def write_to(self, path: Path) -> BinaryIO:
        """A new file, to be written from its beginning to its end."""
        from baselake.lake.encryption import EncryptedOutput

        return cast(BinaryIO, EncryptedOutput(open(path, "wb"), self._key(str(path))))

    def read_from(self, path: Path) -> BinaryIO:
        """A file that was written, to be read here and there."""
        from baselake.lake.encryption import decrypted

        return decrypted(open(path, "rb"), self._key(str(path)))

    def _key(self, path: str) -> bytes:
        with self._lock:
            return self._keys[path]
