"""The upkeep of the lake that a daemon has done at intervals, by a process beside the workers."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path


@dataclass(slots=True, kw_only=True)
class Upkeep:
    """Rounds of upkeep, one at a time.

    Attributes:
        lake: the lake.
        interval: seconds from the beginning of a round to that of the next.
        older_than: which snapshots expire; None: none.
    """

    lake: Path
    interval: float
    older_than: timedelta | None = None
    _begun: float = -math.inf
    _process: "subprocess.Popen[str] | None" = None

    def poll(self, now: float, log: Callable[[str], None]) -> None:
        """Say how a round ended, and begin one when it is time; `now` is in seconds that only go forward."""
        if self._process is not None and self._process.poll() is not None:
            said = self._process.communicate()[0].strip()
            log(f"upkeep: {said or f'it died ({self._process.returncode})'}")
            self._process = None
        if self._process is None and now - self._begun >= self.interval:
            self._begun = now
            older = [] if self.older_than is None else [str(self.older_than.total_seconds())]
            try:
                self._process = subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "baselake.catalog.upkeep.round",
                        self.lake,
                        str(os.getpid()),
                        *older,
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                )
            except OSError as error:  # no memory or process is left: the daemon lives on
                log(f"upkeep: it cannot be started ({error.strerror}); tried again at the next round")

    def end(self) -> None:
        """End a round under way: what it has not committed is undone."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
