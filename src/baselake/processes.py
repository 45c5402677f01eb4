"""Processes that end with the one that started them, and daemons that end when they are told to."""

import ctypes
import os
import signal
import sys
from threading import Event, Thread

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
