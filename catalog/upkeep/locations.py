"""What upkeep does to a file by its location, an absolute path; the one place that is to learn of object stores."""

import os
from pathlib import Path
from typing import BinaryIO

from baselake.errors import StorageError


def open_location(location: str) -> BinaryIO:
    """A file open for reading.

    Raises:
        FileNotFoundError: it is not there.
        OSError: it cannot be read.
    """
    return open(_local(location), "rb")


def size_of(location: str) -> int:
    """Bytes of a file.

    Raises:
        FileNotFoundError: it is not there.
        OSError: its store cannot be asked.
    """
    return _local(location).stat().st_size


def delete_location(location: str) -> None:
    """Remove a file; one that is gone already is no error.

    Raises:
        OSError: it cannot be removed.
    """
    _local(location).unlink(missing_ok=True)


def put_location(source: Path, location: str) -> None:
    """Move a finished local file to a location of the same store, in place of what is there.

    Raises:
        OSError: it cannot be moved.
    """
    target = _local(location)
    os.replace(source, target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _local(location: str) -> Path:
    if "://" in location:
        raise StorageError("this release reads no object stores", location, "Upgrade baselake")
    return Path(location)
