"""What upkeep does to a file by its location, an absolute path; the one place that is to learn of object stores."""

import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from baselake.errors import StorageError
from baselake.lake.parquet import sync_folder

_PIECE = 1 << 20


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


def write_location(location: str, pieces: Iterable[bytes]) -> None:
    """Write a file whole, durable when this returns, in place of what is there.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    target = _local(location)
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


def pieces_of(location: str) -> Iterator[bytes]:
    """A file's bytes, a piece at a time.

    Raises:
        OSError: it cannot be read.
    """
    with open_location(location) as file:
        while piece := file.read(_PIECE):
            yield piece


def _local(location: str) -> Path:
    if "://" in location:
        raise StorageError("this release reads no object stores", location, "Upgrade baselake")
    return Path(location)
