"""How long work tells what it does: bars on a terminal, plain lines elsewhere, nothing in a library."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

# Seconds between two log lines of the same task where there is no terminal.
LOG_INTERVAL = 10.0


class Task(Protocol):
    """One piece of work under way."""

    def advance(self, amount: int = 1) -> None:
        """Count `amount` more units as done; safe from any thread."""


class Progress(Protocol):
    """Where notes and tasks are shown."""

    def note(self, message: str) -> None:
        """Tell one thing worth knowing, in one line."""

    def task(self, title: str, total: int | None = None, unit: str = "") -> AbstractContextManager[Task]:
        """Begin a task of `total` units (None: unknown)."""


class _NoTask:
    def advance(self, amount: int = 1) -> None:
        del amount


class QuietProgress:
    """Shows nothing: for use as a library and in tests."""

    def note(self, message: str) -> None:
        del message

    @contextmanager
    def task(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        del title, total, unit
        yield _NoTask()


class _LogTask:
    def __init__(self, title: str, total: int | None, unit: str, stream: TextIO) -> None:
        self._title, self._total, self._unit, self._stream = title, total, unit, stream
        self._done = 0
        self._last = time.monotonic()

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._last >= LOG_INTERVAL:
            self._last = now
            of = f" of {self._total:,}" if self._total else ""
            print(f"{self._title}: {self._done:,}{of} {self._unit}".rstrip(), file=self._stream, flush=True)

    def finish(self, seconds: float) -> None:
        done = f"{self._done:,} {self._unit} in " if self._done else ""
        print(f"{self._title}: {done}{seconds:.1f} s", file=self._stream, flush=True)


class LogProgress:
    """A line when a task ends, and one every ten seconds until then."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr

    def note(self, message: str) -> None:
        print(message, file=self._stream, flush=True)

    @contextmanager
    def task(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        task = _LogTask(title, total, unit, self._stream)
        started = time.monotonic()
        yield task
        task.finish(time.monotonic() - started)


class TerminalProgress:
    """Progress bars on standard error."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self._console = Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            console=self._console,
        )

    def note(self, message: str) -> None:
        self._console.print(message, highlight=False, markup=False)

    @contextmanager
    def task(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        bars = self._bars
        identifier = bars.add_task(title, total=total, unit=unit)

        class BarTask:
            def advance(self, amount: int = 1) -> None:
                bars.advance(identifier, amount)

        bars.start()
        try:
            yield BarTask()
            finished = next(task for task in bars.tasks if task.id == identifier).completed
            bars.update(identifier, total=finished)
        finally:
            if all(task.finished or task.id == identifier for task in bars.tasks):
                bars.stop()


QUIET: Progress = QuietProgress()


def progress_for(stream: TextIO) -> Progress:
    """Bars where `stream` is a terminal, log lines elsewhere."""
    return TerminalProgress() if stream.isatty() else LogProgress(stream)
