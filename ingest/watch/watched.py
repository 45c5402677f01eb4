"""What the daemon remembers of a folder, gone when it ends and found out again; and what it is shown by."""

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from baselake.ingest.run_source import RunCheck

Stamp = tuple[int, int, int]


def stamps(paths: Iterable[Path]) -> dict[Path, Stamp | None]:
    """Size and times of files, of their content and of what else is known of them; None where there is none."""
    found: dict[Path, Stamp | None] = {}
    for path in paths:
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            found[path] = None
        else:
            found[path] = status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return found


@dataclass(slots=True, kw_only=True)
class Watched:
    """What the daemon remembers of a folder.

    Attributes:
        folder: the run folder.
        signature: of the last look at it.
        since: when it first looked so.
        looks: how many looks in a row saw it so.
        checked: what was found wrong when it looked as `checked_signature`.
        failures: in a row, of the worker or the store.
        crashes: of the worker, in a row.
        not_before: when the next attempt may be made.
        queued: since when it waits for a worker: infinity where it does not.
        settled: signature and sheet at which the run was last dealt with: until either changes there is nothing to do.
        sheet: SHA-256 of the sheet at the last look.
        sheet_looks: how many looks in a row saw that one: a sheet may be half written.
        gone: its folder is not there, only a sheet for it.
        faulty: the files for which it is in quarantine, and the stamp of each; None: not there.
        waiting: what it waits for, for people; empty: nothing.
        told: the last thing that was logged of it, or its reason, not to be logged again.
    """

    folder: Path
    signature: str = ""
    since: float = 0.0
    looks: int = 0
    checked: RunCheck | None = None
    checked_signature: str = ""
    failures: int = 0
    crashes: int = 0
    not_before: float = 0.0
    queued: float = math.inf
    settled: tuple[str, str | None] | None = None
    sheet: str | None = None
    sheet_looks: int = 0
    gone: bool = False
    faulty: dict[Path, Stamp | None] = field(default_factory=dict)
    waiting: str = ""
    told: str = ""

    def mended(self) -> str:
        """What has become of its faulty files; empty: they are as they were.

        A file that is overwritten in its place changes nothing else that a cheap look at a folder sees.
        """
        now = stamps(self.faulty)
        return "" if now == self.faulty else str(now)


class Monitor(Protocol):
    """Where the daemon's figures are shown."""

    def polled(self, runs: dict[str, int], waiting: dict[str, int], free: int) -> None:
        """After each look: runs by state in the catalog, runs by what the daemon waits for, free bytes of the lake."""

    def answered(self, outcome: str, units: int, reads: int) -> None:
        """After each worker."""

    def failed(self, kind: str) -> None:
        """After each thing that went wrong: `share`, `folder`, `worker`, `storage`."""
