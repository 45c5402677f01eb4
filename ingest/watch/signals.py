"""How a daemon is told to end."""

import signal
from threading import Event, Thread


def stop_on_signals(stop: Event) -> None:
    """SIGTERM and SIGINT set `stop`, so that the tiles under way are finished first; a second one ends at once."""

    def first(number: int, frame: object) -> None:
        del number, frame
        # By another thread: the one that is interrupted here may hold the event's lock, waiting for it.
        Thread(target=stop.set).start()
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, signal.SIG_DFL)

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, first)
