"""A data file by its location: the one place where erasing opens, measures and destroys one."""

from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from baselake.errors import StorageError


def open_location(location: str) -> BinaryIO:
    """Open a data file for reading.

    Raises:
        StorageError: it cannot be read, or lies in a store that this release does not know.
    """
    try:
        return open(_path(location), "rb")
    except OSError as error:
        raise StorageError(
            error.strerror or str(error),
            location,
            "Bring the file back or mend its store, then run the same command again",
        ) from error


def location_exists(location: str) -> bool:
    """Whether there is such a file."""
    return _path(location).exists()


def destroy_location(location: str) -> None:
    """Remove a file, and the folders of its partition that are empty then; one that is gone already is no error.

    Raises:
        StorageError: it cannot be removed.
    """
    path = _path(location)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            error.strerror or str(error), location, "Make it removable, then run the same command again"
        ) from error
    for folder in path.parents:
        if "=" not in folder.name:
            break
        with suppress(OSError):  # another file lies in it, or it went with its last file
            folder.rmdir()


def _path(location: str) -> Path:
    if "://" in location:
        raise StorageError("no store for this file", location, "Bring it back into the lake's folder first")
    return Path(location)
