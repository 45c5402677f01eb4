"""Moving files between tiers beside the daemon: a process of its own, so that no look at the share waits for it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True, kw_only=True)
class Mover:
    """Starts the process now and then, never two at once.

    Attributes:
        lake: the lake.
        interval: seconds from one start to the next.
    """

    lake: Path
    interval: float
    _process: "subprocess.Popen[bytes] | None" = None
    _due: float = float("-inf")

    def look(self, now: float, log: Callable[[str], None]) -> None:
        """Take note of one that has ended, start one when it is time.

        Args:
            now: seconds of the daemon's clock.
            log: takes one line an event.
        """
        if self._process is not None and self._process.poll() is not None:
            if self._process.returncode:
                log(f"{self.lake}: tiers: moving ended with status {self._process.returncode}; tried again")
            self._process = None
        if self._process is None and now >= self._due:
            self._due = now + self.interval
            try:
                self._process = subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "baselake.catalog.tiers.worker",
                        str(self.lake),
                        str(os.getpid()),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as error:  # no memory or process is left: the daemon lives on
                log(f"{self.lake}: tiers: moving cannot be started ({error.strerror}); tried again")

    def end(self) -> None:
        """End it where it is: what it had not registered is removed by the next one."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait()
