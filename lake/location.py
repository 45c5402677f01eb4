"""A file by its location, an absolute path or a URL, wherever it lies."""

import errno
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from xxhash import xxh3_128

from baselake.errors import StorageError
from baselake.lake.keyring import key_name, keyring
from baselake.lake.parquet import sync_folder
from baselake.lake.store import WHICH_STORE, Store, open_store

# Before the path of a file that DuckDB reads and writes through us, for it may be encrypted.
ENCRYPTED = "encrypted://"
_PIECE = 1 << 20


def open_location(location: str) -> BinaryIO:
    """A file open for reading, decrypted where it is encrypted.

    Raises:
        FileNotFoundError: it is not there.
        OSError: it cannot be read, or the keyring cannot.
    """
    file = open_stored(location)
    try:
        return as_plain(file, location)
    except BaseException:
        file.close()
        raise


def as_plain(file: BinaryIO, location: str) -> BinaryIO:
    """A file that is open as it is stored, decrypted where it is encrypted.

    Raises:
        StorageError: the keyring cannot be read.
    """
    key = key_of(location)
    if key is None:
        return file
    from baselake.lake.encryption import decrypted  # imported here: most lakes do not need it

    return decrypted(file, key)


def open_stored(location: str) -> BinaryIO:
    """A file open for reading, as it is stored.

    Raises:
        FileNotFoundError: it is not there.
        OSError: it cannot be read.
    """
    if (remote := _remote(location)) is not None:
        return remote[0].open(remote[1])
    return open(location, "rb")


def stored_location(path: str) -> str:
    """Where a file is that DuckDB calls by a path."""
    return path.removeprefix(ENCRYPTED)


def key_of(location: str) -> bytes | None:
    """The key of a file; None: it is not encrypted.

    Raises:
        StorageError: the keyring cannot be read.
    """
    ring = keyring()
    return None if ring is None else ring.key(key_name(location))


@contextmanager
def reading(location: str) -> Iterator[None]:
    """A block that opens or reads a file; what it fails by becomes an error that helps.

    Raises:
        StorageError: the file is not there, or its disk or store fails.
    """
    try:
        yield
    except StorageError:
        raise
    except FileNotFoundError as error:
        remedy = "Mount the folder it is in, or restore it from another copy"
        raise StorageError("the file is not there", location, remedy) from error
    except OSError as error:
        said = error.strerror or str(error)
        raise StorageError(
            f"the file cannot be read ({said})", location, "Mend the disk, or restore the file"
        ) from error


def pieces_of(location: str) -> Iterator[bytes]:
    """A file's bytes as they are stored, a piece at a time.

    Raises:
        OSError: it cannot be read.
    """
    with open_stored(location) as file:
        while piece := file.read(_PIECE):
            yield piece


def checksum_of(location: str) -> str:
    """XXH3-128 of a file's bytes as they are stored, hexadecimal (`lake/checksum.py`).

    Raises:
        OSError: it cannot be read.
    """
    digest = xxh3_128()
    for piece in pieces_of(location):
        digest.update(piece)
    return digest.hexdigest()


def size_of(location: str) -> int:
    """Bytes of a file.

    Raises:
        FileNotFoundError: it is not there.
        OSError: its store cannot be asked.
    """
    if (remote := _remote(location)) is not None:
        size = remote[0].size(remote[1])
        if size is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), location)
        return size
    return os.stat(location).st_size


def location_exists(location: str) -> bool:
    """Whether there is such a file.

    Raises:
        OSError: its store cannot be asked.
    """
    try:
        size_of(location)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def write_location(location: str, pieces: Iterable[bytes], size: int) -> None:
    """Write a file of `size` bytes whole, durable when this returns, in place of what is there.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    if (remote := _remote(location)) is not None:
        remote[0].put(remote[1], pieces, size)
        return
    target = Path(location)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with open(part, "wb") as out:
            for piece in pieces:
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, target)
        sync_folder(target.parent)
    finally:
        part.unlink(missing_ok=True)


def delete_location(location: str) -> None:
    """Remove a file; one that is gone already is no error.

    Raises:
        OSError: it cannot be removed.
    """
    if (remote := _remote(location)) is not None:
        remote[0].delete(remote[1])
    else:
        Path(location).unlink(missing_ok=True)


def delete_empty_folders(location: str) -> None:
    """Remove the folders of the partition that a file lay in, where nothing is left in them.

    Writers make their folder anew where it is taken away just before their file.
    """
    for folder in () if _remote(location) is not None else Path(location).parents:
        if "=" not in folder.name:
            break
        with suppress(OSError):  # another file lies in it, or it went with its last file
            folder.rmdir()


def _remote(location: str) -> tuple[Store, str] | None:
    """The store and the name there of a location that is a URL; None: it is a path."""
    if "://" not in location:
        return None
    bucket, _, name = location.partition("://")[2].partition("/")
    return _bucket(bucket, *map(os.environ.get, WHICH_STORE)), name


@cache
def _bucket(bucket: str, *which: str | None) -> Store:
    del which  # another address is another store
    return open_store(f"s3://{bucket}")
