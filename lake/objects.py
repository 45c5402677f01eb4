"""Files kept in the lake byte by byte, named by their content."""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from baselake.errors import InputError, StorageError
from baselake.lake.parquet import storage_error

if TYPE_CHECKING:
    from baselake.lake.encryption import EncryptedOutput

_CHUNK = 1 << 20


def copy_file(source: Path, target: Path, key: bytes | None = None) -> tuple[int, str]:
    """Copy a file's bytes to a new file, durable when this returns; their number and SHA-256, hexadecimal.

    Args:
        source: the file.
        target: the new one.
        key: what the copy is encrypted with; None: it is not.

    Raises:
        InputError: the source changed while it was read.
        StorageError: the source cannot be read, or the disk is full or fails.
    """
    digest = hashlib.sha256()
    try:
        file = open(source, "rb", buffering=0)  # noqa: SIM115 - closed below; its own error has its own words
    except OSError as error:
        raise _unreadable(source, error) from error
    with file:
        before = os.fstat(file.fileno())
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "wb") as stored:
                out = _encrypted(stored, key) if key is not None else stored
                while chunk := _read(file.fileno(), source):
                    digest.update(chunk)
                    out.write(chunk)
                stored.flush()
                os.fsync(stored.fileno())
        except StorageError:
            raise
        except OSError as error:
            raise storage_error(error, target) from error
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise InputError(
            "the file changed while it was read", str(source), "Wait until it is written completely"
        )
    return target.stat().st_size, digest.hexdigest()


def _encrypted(file: BinaryIO, key: bytes) -> "EncryptedOutput":
    from baselake.lake.encryption import EncryptedOutput  # imported here: most lakes do not need it

    return EncryptedOutput(file, key)


def _read(descriptor: int, source: Path) -> bytes:
    try:
        return os.read(descriptor, _CHUNK)
    except OSError as error:
        raise _unreadable(source, error) from error


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        error.strerror or str(error), str(path), "Make the file readable, then run the command again"
    )
