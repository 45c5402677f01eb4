"""Processes that end with the one that started them, and daemons that end when they are told to."""

import ctypes
import json
import os
import signal
import sys
from threading import Event, Thread
from typing import IO, Any

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with_parent(parent: int) -> None:
    """Have the system kill this process when the one that started it ends, however that ends.

    Args:
        parent: its number, as it told this one: where it ended before it could be watched, this ends at once.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def stop_on_signals(stop: Event) -> None:
    """SIGTERM and SIGINT set `stop`, so that what is under way is finished first; a second one ends at once."""

    def first(number: int, frame: object) -> None:
        del number, frame
        # By another thread: the one that is interrupted here may hold the event's lock, waiting for it.
        Thread(target=stop.set).start()
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, signal.SIG_DFL)

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, first)


def answer_of(status: int, output: IO[bytes]) -> tuple[dict[str, Any] | None, str]:
    """What a process that has ended said, and how it ended.

    Args:
        status: as `subprocess.Popen.returncode` has it.
        output: its standard output, which can be read from the beginning.

    Returns:
        The JSON object that is its last line, None where it did not end well; words that follow its name.
    """
    output.seek(0)
    lines = output.read().decode(errors="replace").splitlines()
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    return (json.loads(lines[-1]) if status == 0 and lines else None), how
