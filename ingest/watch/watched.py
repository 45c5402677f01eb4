"""What the daemon remembers of a folder; gone when it ends, and found out again."""

import math
from dataclasses import dataclass
from pathlib import Path

from baselake.ingest.run_source import RunCheck


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
        waiting: what it waits for, for people; empty: nothing.
        told: the last thing that was logged of it, not to be logged again.
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
    waiting: str = ""
    told: str = ""
