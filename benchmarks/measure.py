"""Wall time, processor time and memory of a command and everything it starts."""

import os
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one run of a command took.

    Attributes:
        wall_seconds: from start to exit.
        cpu_seconds: user and system time of the process and all its descendants.
        peak_bytes: most proportional set size (memory shared between processes counted once) of the whole
            process tree, looked at every 50 ms; at least the largest resident set that any one of its processes
            has had. (wait4's ru_maxrss would count the memory of this process, which the child shares until exec.)
    """

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Medians and spread of several runs.

    Attributes:
        wall_seconds: median.
        wall_fastest: fastest run.
        wall_slowest: slowest run.
        cpu_seconds: median.
        peak_bytes: median.
    """

    wall_seconds: float
    wall_fastest: float
    wall_slowest: float
    cpu_seconds: float
    peak_bytes: float


def measure(script: str, *, cores: Sequence[int], environment: Mapping[str, str], log: Path) -> Measurement:
    """Run a shell command in a fresh process on some cores.

    Args:
        script: for bash, with `pipefail`.
        cores: the cores that it and its children may use.
        environment: variables set besides those of this process.
        log: file that takes its standard error.

    Raises:
        RuntimeError: the command failed; the message has the end of its standard error.
    """
    started = time.perf_counter()
    with log.open("wb") as errors:
        process = subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, cores)), "bash", "-eo", "pipefail", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    stop = threading.Event()
    peaks: list[int] = []
    watcher = threading.Thread(target=_watch, args=(process.pid, stop, peaks))
    watcher.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        stop.set()
        watcher.join()
    wall = time.perf_counter() - started
    if process.returncode != 0:
        tail = log.read_text(errors="replace")[-2_000:]
        raise RuntimeError(f"exit status {process.returncode} of: {script}\n{tail}")
    return Measurement(
        wall_seconds=wall,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=max(peaks),
    )


def summarise(runs: Sequence[Measurement]) -> Summary:
    """Medians and spread."""
    walls = [run.wall_seconds for run in runs]
    return Summary(
        wall_seconds=statistics.median(walls),
        wall_fastest=min(walls),
        wall_slowest=max(walls),
        cpu_seconds=statistics.median(run.cpu_seconds for run in runs),
        peak_bytes=statistics.median(run.peak_bytes for run in runs),
    )


def _watch(session: int, stop: threading.Event, peaks: list[int]) -> None:
    peak = 0
    while not stop.wait(_POLL_SECONDS):
        processes = _processes(session)
        together = sum(_kilobytes(process / "smaps_rollup", "Pss:") for process in processes)
        alone = max((_kilobytes(process / "status", "VmHWM:") for process in processes), default=0)
        peak = max(peak, together * 1024, alone * 1024)
    peaks.append(peak)


def _processes(session: int) -> list[Path]:
    """Folders under /proc of the processes of a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if int(fields[3]) == session:
            found.append(folder)
    return found


def _kilobytes(file: Path, field: str) -> int:
    """A field of a file under /proc; 0 where the process has ended or has no memory of its own left."""
    try:
        lines = file.read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(field))
