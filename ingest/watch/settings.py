"""How the daemon waits, retries and chooses."""

from dataclasses import dataclass, field
from pathlib import Path

from baselake.ingest.run_source import RunOptions

_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """Times are in seconds.

    Attributes:
        poll: between two looks at the share. A look is a few listings for each run that is not in the lake yet.
        settle: a folder is at rest when it has looked the same for so long, and at two looks at least. Longer than
            network file systems keep attributes cached (NFS: 60), and than an instrument pauses within a cycle.
        unmarked: a folder that is whole but has no end marker is taken after so long at rest.
        patience: a folder with an end marker from which files are missing is given up after so long at rest: copies
            bring markers before the files they are about.
        abandoned: likewise without an end marker; longer than an instrument takes between two reads.
        depth: folders below the watched one that are looked into for runs.
        workers: runs imported at once.
        reserve: bytes of the lake's disk that are left free.
        sheets: a folder of sample sheets called FLOWCELL.csv or RUN_ID.csv; they go before the run folder's own.
        retry: before the first repetition of what failed; doubled each time.
        retry_longest: the longest time between two.
        crashes: times that a worker may die of one run before the run is put aside.
        options: how runs are imported.
    """

    poll: float = 60.0
    settle: float = 300.0
    unmarked: float = _HOUR
    patience: float = 6 * _HOUR
    abandoned: float = 24 * _HOUR
    depth: int = 2
    workers: int = 1
    reserve: int = 10 << 30
    sheets: Path | None = None
    retry: float = 30.0
    retry_longest: float = _HOUR
    crashes: int = 5
    options: RunOptions = field(default_factory=RunOptions)

    def pause(self, failures: int) -> float:
        """How long to wait after the n-th failure in a row, from 1."""
        return float(min(self.retry * 2.0 ** (failures - 1), self.retry_longest))
