"""The worker processes of a daemon."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from baselake.ingest.run_source import RunDescription, RunOptions
from baselake.ingest.watch.worker import arguments
from baselake.processes import answer_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a worker ended.

    Attributes:
        key: the folder as the daemon watches it.
        description: its run.
        settled: what the run looked like when the worker was started.
        outcome: `complete`, `quarantined`, `refused` (the run or its sheet is wrong), `retry` (a store failed),
            `crashed`, or `stopped` (by SIGTERM).
        sheet_only: it had but a sheet to assign.
        units: tiles or files imported.
        reads: rows written.
        error: why; None where nothing is wrong.
    """

    key: Path
    description: RunDescription
    settled: tuple[str, str | None]
    outcome: str
    sheet_only: bool = False
    units: int = 0
    reads: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worker:
    process: "subprocess.Popen[bytes]"
    output: IO[bytes]
    answer: Answer


@dataclass(slots=True, kw_only=True)
class Processes:
    """Workers, each in a process group of its own so that a signal to the daemon does not reach them.

    Attributes:
        lake: the lake.
        options: how runs are imported; the sheet is that of each run.
        running: by folder.
    """

    lake: Path
    options: RunOptions
    running: dict[Path, _Worker] = field(default_factory=dict)

    def start(
        self,
        key: Path,
        description: RunDescription,
        folder: Path | None,
        sheet: Path | None,
        settled: tuple[str, str | None],
    ) -> None:
        """Start one; `folder` is None where only the sheet is to be assigned."""
        task = arguments(self.lake, description.run_id, folder, replace(self.options, sample_sheet=sheet))
        # A file and not a pipe: nobody has to read while it runs. Its story goes where the daemon's goes.
        output = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the worker has ended
        process = subprocess.Popen(
            [sys.executable, "-m", "baselake.ingest.watch.worker", task],
            stdin=subprocess.DEVNULL,
            stdout=output,
            start_new_session=True,
        )
        answer = Answer(
            key=key,
            description=description,
            settled=settled,
            outcome="crashed",
            sheet_only=folder is None,
        )
        self.running[key] = _Worker(process=process, output=output, answer=answer)

    def is_running(self, run_id: str) -> bool:
        """Whether one works on the run."""
        return any(worker.answer.description.run_id == run_id for worker in self.running.values())

    def any_ended(self) -> bool:
        """Whether one has ended that was not yet asked for its answer."""
        return any(worker.process.poll() is not None for worker in self.running.values())

    def ended(self) -> Iterator[Answer]:
        """Yields what those say that have ended, and forgets them."""
        for key, worker in list(self.running.items()):
            if worker.process.poll() is None:
                continue
            del self.running[key]
            yield _answer(worker)

    def end(self) -> None:
        """Have all finish the unit they are at, and wait until they have."""
        for worker in self.running.values():
            if worker.process.poll() is None:
                os.killpg(worker.process.pid, signal.SIGTERM)
        for worker in self.running.values():
            worker.process.wait()


def _answer(worker: _Worker) -> Answer:
    status = worker.process.returncode
    with worker.output as output:
        said, how = answer_of(status, output)
    if said is not None:
        return replace(
            worker.answer,
            outcome=said["outcome"],
            units=said.get("units", 0),
            reads=said.get("reads", 0),
            error=said["error"],
        )
    if status in (128 + signal.SIGTERM, -signal.SIGTERM):  # the latter before it was ready to be told
        return replace(worker.answer, outcome="stopped", error="the worker was told to end")
    return replace(worker.answer, error=f"the worker {how}")
