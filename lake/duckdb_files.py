"""The files of an encrypted lake as DuckDB reads and writes them, through Python: by `encrypted://` and their location.

Reading, a file is decrypted where it has a key, and else is as it is: a lake may have files that are older than its
encryption. What DuckDB writes is encrypted always.
"""

import io
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from fsspec import AbstractFileSystem

from baselake.errors import StorageError
from baselake.lake.encryption import EncryptedOutput
from baselake.lake.keyring import Keyring, destroy_keys, key_name
from baselake.lake.location import (
    ENCRYPTED,
    delete_location,
    location_exists,
    open_location,
    reading,
    size_of,
    stored_location,
)
from baselake.lake.parquet import sync_folder


class EncryptedFiles(AbstractFileSystem):
    """What DuckDB asks of a file system; see the module. Paths are taken and given with `encrypted://`."""

    protocol = ENCRYPTED.removesuffix("://")
    cachable = False

    def __init__(self, ring: Keyring) -> None:
        super().__init__()
        self._ring = ring

    def open(self, path: str, mode: str = "rb", **_: Any) -> "BinaryIO | io.RawIOBase":
        location = stored_location(path)
        if "r" in mode:
            with reading(location):
                return open_location(location)
        if "://" in location:
            raise StorageError("DuckDB writes to the hot tier only", location, "Report this: it is a defect")
        return _Written(Path(location), self._ring)

    def size(self, path: str) -> int:
        return size_of(stored_location(path))

    def modified(self, path: str) -> datetime:
        # A file is written once: what DuckDB keeps of one by its name, size and time holds.
        del path
        return datetime.fromtimestamp(0, UTC)

    def exists(self, path: str, **_: Any) -> bool:
        return self.isfile(path) or self.isdir(path)

    def isfile(self, path: str) -> bool:
        location = stored_location(path)
        return location_exists(location) and not os.path.isdir(location)

    def isdir(self, path: str) -> bool:
        return os.path.isdir(stored_location(path))

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        del create_parents
        os.makedirs(stored_location(path), exist_ok=True)

    def glob(self, path: str, **_: Any) -> Sequence[str]:
        # DuckDB is only asked for files by their whole names.
        return [path] if self.isfile(path) else []

    def rm_file(self, path: str) -> None:
        location = stored_location(path)
        delete_location(location)
        destroy_keys([location])

    def rm(self, path: str, recursive: bool = False, maxdepth: int | None = None) -> None:
        del recursive, maxdepth
        self.rm_file(path)

    def unstrip_protocol(self, name: str) -> str:
        return name if name.startswith(ENCRYPTED) else f"{ENCRYPTED}{name}"


class _Written(io.RawIOBase):
    """A new file that DuckDB writes from its beginning, durable when it is closed."""

    def __init__(self, path: Path, ring: Keyring) -> None:
        self._path = path
        key = ring.make(key_name(str(path)))
        self._file = open(path, "wb")  # noqa: SIM115 - closed by close
        self._out = EncryptedOutput(self._file, key)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._out.write(data)

    def tell(self) -> int:
        return self._out.tell()

    def close(self) -> None:
        if not self.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            sync_folder(self._path.parent)
        super().close()
