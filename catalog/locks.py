"""One committer at a time, and jobs that are known to be alive.

Both are advisory locks of the operating system: they vanish with the process that holds them, however it ends.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    return descriptor


@contextmanager
def commit_lock(path: Path, timeout_seconds: float) -> Iterator[None]:
    """Hold the catalog-wide commit lock.

    Raises:
        LakeError: another writer held it all the time.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    holder = os.pread(descriptor, 32, 0).decode().strip()
                    raise LakeError(
                        f"another writer (process {holder}) has been committing for {timeout_seconds:.0f} s",
                        str(path),
                        "Wait for it, or end it: an unfinished commit is undone",
                    ) from None
                time.sleep(_POLL_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def held_lock(path: Path, what: str) -> Iterator[None]:
    """Hold a lock for as long as a piece of work lasts, or say at once who has it.

    Args:
        path: the lock; it stays when the work is done, for to remove it would race with who takes it next.
        what: what it is held for, as the error calls it.

    Raises:
        LakeError: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode().strip()
            raise LakeError(
                f"{what} by another process ({holder})", str(path), "Wait until it is done, or end it"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
