"""One committer at a time, and jobs that are known to be alive.

Both are advisory locks of the operating system: they vanish with the process that holds them, however it ends.
"""

import fcntl
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from baselake.errors import LakeError

_POLL_SECONDS = 0.01


def try_lock(path: Path) -> int | None:
    """Open and lock a file; its descriptor, or None where another process holds it or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if not _is_at(descriptor, path):  # its holder removed it before letting go
        os.close(descriptor)
        return None
    return descriptor


def new_locked(path: Path) -> TextIO:
    """Make a file that is locked, open for writing.

    Between making and locking, who looks for files that nobody holds may have found it and removed it: then again.

    Raises:
        OSError: it is there already, or cannot be made.
    """
    while True:
        file = open(path, "x")  # noqa: SIM115 - the caller closes it
        fcntl.flock(file, fcntl.LOCK_EX)
        if _is_at(file.fileno(), path):
            return file
        file.close()


@contextmanager
def commit_lock(path: Path, timeout_seconds: float) -> Iterator[Callable[[], None]]:
    """Hold the catalog-wide commit lock; the block is given a check that finds it held, for only the holder lets it go.

    Raises:
        LakeError: another writer held it all the time.
    """
    with _locked(path, timeout_seconds) as holder:
        if holder is not None:
            raise LakeError(
                f"another writer (process {holder}) has been committing for {timeout_seconds:.0f} s",
                str(path),
                "Wait for it, or end it: an unfinished commit is undone",
            )
        yield lambda: None


@contextmanager
def held_lock(path: Path, what: str, timeout_seconds: float = 0.0) -> Iterator[None]:
    """Hold a lock for as long as a piece of work lasts, or say who has it.

    Args:
        path: the lock; it stays when the work is done, for to remove it would race with who takes it next.
        what: what it is held for, as the error calls it.
        timeout_seconds: how long to wait for it; by default not at all.

    Raises:
        LakeError: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path, timeout_seconds) as holder:
        if holder is not None:
            raise LakeError(
                f"{what} by another process ({holder})", str(path), "Wait until it is done, or end it"
            )
        yield


@contextmanager
def waited_lock(path: Path, tell: Callable[[], None]) -> Iterator[None]:
    """Hold a lock, however long another process has it first: then `tell` is called, once."""
    with _locked(path, 0.0) as holder:
        if holder is None:
            yield
            return
    tell()
    with _locked(path, math.inf):
        yield


@contextmanager
def _locked(path: Path, seconds: float) -> Iterator[str | None]:
    """A block that holds a lock, or is given the process that does where it is not to be had in time."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if _lock_in_time(descriptor, seconds):
            with suppress(
                OSError
            ):  # a full disk: the lock is held without a name, and may be what frees space
                _sign(descriptor)
            yield None
        else:
            yield _holder(descriptor)
    finally:
        os.close(descriptor)


def _lock_in_time(descriptor: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)


def _sign(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 32, 0).decode().strip()


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
