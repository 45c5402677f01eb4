"""Which snapshots are in use, so that none of those expires.

Whoever opens a lake takes a lease: at a snapshot, of that one; else of the newest and of all that come after it, for
each query sees the snapshot that is the newest then. Leases are locks, of the operating system or of PostgreSQL, and
so end with their process, however that ends.
"""

import fcntl
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from baselake.catalog.locks import try_lock

_GATE = ".gate"  # not the name of a lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a lease keeps.

    Attributes:
        snapshot: this one.
        later: and all after it.
    """

    snapshot: int
    later: bool

    def covers(self, snapshot: int) -> bool:
        return snapshot == self.snapshot or (self.later and snapshot > self.snapshot)


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease that is held; `close` ends it, which may be done twice."""

    close: Callable[[], None]


def take_lease(folder: Path, use: Use) -> Lease:
    """Take a lease as a locked file in a folder that all readers share.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / uuid.uuid4().hex
    with _gate(folder, fcntl.LOCK_SH):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, f"{'from' if use.later else 'at'} {use.snapshot}\n".encode())
    open_descriptors = [descriptor]

    def close() -> None:
        # A forked child that closes its copy would end nothing: the lock lasts until the last copy is closed.
        while open_descriptors:
            path.unlink(missing_ok=True)
            os.close(open_descriptors.pop())

    return Lease(close)


@contextmanager
def held_uses(folder: Path) -> Iterator[list[Use]]:
    """Every lease in the folder; those of processes that have ended are removed. No new one is given meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    with _gate(folder, fcntl.LOCK_EX):
        uses = []
        for path in sorted(folder.iterdir()):
            if path.name == _GATE:
                continue
            descriptor = try_lock(path)
            if descriptor is not None:
                path.unlink(missing_ok=True)
                os.close(descriptor)
                continue
            try:
                text = path.read_text()
            except FileNotFoundError:  # closed since it was listed
                continue
            match = re.fullmatch(r"(from|at) (\d+)\n", text)
            if match is None:
                raise ValueError(f"{path}: {text!r} is no lease")
            uses.append(Use(snapshot=int(match[2]), later=match[1] == "from"))
        yield uses


@contextmanager
def _gate(folder: Path, kind: int) -> Iterator[None]:
    descriptor = os.open(folder / _GATE, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)
