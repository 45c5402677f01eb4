"""Bytes of a run folder's files, and how their faults are told."""

import os
from pathlib import Path

from baselake.errors import InputError, NotFoundError, TruncatedInputError

COPY_AGAIN = "Copy the file from the instrument again"


def read_file(path: Path, least: int = 0) -> bytes:
    """A file's bytes, at least `least` of them.

    Raises:
        NotFoundError: no such file.
        TruncatedInputError: it is shorter.
        InputError: it may not be read.
        OSError: it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise missing(path) from error
    except PermissionError as error:
        raise _refused(path) from error
    if len(data) < least:
        raise truncated(path, least, len(data))
    return data


def read_part(path: Path, offset: int, size: int) -> bytes:
    """`size` bytes from `offset` on, and not a byte more: on a file share every byte costs.

    Raises:
        NotFoundError: no such file.
        TruncatedInputError: it ends before.
        InputError: it may not be read.
        OSError: it cannot be read.
    """
    file = _open(path)
    try:
        data = _read_fully(file, offset, size)
        if len(data) < size:
            raise truncated(path, offset + size, os.fstat(file).st_size)
    finally:
        os.close(file)
    return data


def read_head(path: Path, size: int) -> tuple[bytes, os.stat_result]:
    """The first bytes of a file, at most `size`, and its status.

    Raises:
        NotFoundError: no such file.
        InputError: it may not be read.
        OSError: it cannot be read.
    """
    file = _open(path)
    try:
        return _read_fully(file, 0, size), os.fstat(file)
    finally:
        os.close(file)


def missing(path: Path) -> NotFoundError:
    return NotFoundError("the file is missing", str(path), "Wait for the copy of the run, or copy the file")


def truncated(path: Path, expected: int, found: int) -> TruncatedInputError:
    return TruncatedInputError(f"{found:,} bytes where {expected:,} are expected", str(path), COPY_AGAIN)


def damaged(path: Path, what: str) -> InputError:
    return InputError(what, str(path), COPY_AGAIN)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise missing(path) from error
    except PermissionError as error:
        raise _refused(path) from error


def _refused(path: Path) -> InputError:
    # Of one file a fault, that others need not wait for; a share of which nothing may be read is looked for elsewhere.
    return InputError("permission denied", str(path), "Give the user who runs baselake the right to read it")


def _read_fully(file: int, offset: int, size: int) -> bytes:
    data = os.pread(file, size, offset)
    # A single read gives at most 2 GiB, and less from some file shares.
    while 0 < len(data) < size:
        more = os.pread(file, size - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data
