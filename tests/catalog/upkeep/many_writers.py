"""Many writers at once, some of them killed: `many_writers.py LAKE WRITERS COMMITS KILLS SEED FOLDER`.

Writers are forked, each opens the lake for itself. Each commits reads of runs of its own, and writes into a file in
FOLDER what it is about to commit (`try RUN ROWS`) and what it was told was committed (`done RUN`). A writer that is
killed is followed by another one, which goes on with the next run.
"""

import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from baselake.catalog.catalog import connect
from baselake.config import load_config

sys.path.insert(0, str(Path(__file__).parents[1]))
from writer_process import write_reads


def write(lake: Path, writer: int, first: int, commits: int, log: Path) -> None:
    """Commit runs `first` to `commits`."""
    config = replace(load_config(lake, os.environ), threads=1)
    told = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with connect(lake, config) as catalog:
        for number in range(first, commits):
            run, rows = f"R{writer}.{number}", 1 + (writer + number) % 7
            os.write(told, f"try {run} {rows}\n".encode())
            write_reads(catalog, run, rows)
            os.write(told, f"done {run}\n".encode())


def tried(log: Path) -> int:
    """How many commits a writer has begun."""
    return log.read_text().count("try ") if log.exists() else 0


def fork(lake: Path, writer: int, commits: int, log: Path) -> int:
    first = tried(log)
    process = os.fork()
    if process == 0:
        status = 1
        try:
            write(lake, writer, first, commits, log)
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    return process


def main() -> int:
    lake, folder = Path(sys.argv[1]), Path(sys.argv[6])
    writers, commits, kills, seed = (int(text) for text in sys.argv[2:6])
    rng = random.Random(seed)
    logs = {writer: folder / f"{writer}.log" for writer in range(writers)}
    alive = {fork(lake, writer, commits, logs[writer]): writer for writer in logs}
    # Kills are spread over the whole; each falls at any moment of a commit.
    marks = [writers * commits * (kill + 1) // (kills + 2) for kill in range(kills)]
    failed = 0
    while alive:
        process, status = os.waitpid(-1, os.WNOHANG)
        if process:
            writer = alive.pop(process)
            if os.WIFSIGNALED(status):
                alive[fork(lake, writer, commits, logs[writer])] = writer
            else:
                failed += os.WEXITSTATUS(status) != 0
            continue
        if marks and sum(map(tried, logs.values())) >= marks[0]:
            marks.pop(0)
            time.sleep(rng.random() * 0.1)
            os.kill(rng.choice(sorted(alive)), signal.SIGKILL)
        time.sleep(0.01)
    print(f"{kills - len(marks)} killed, {failed} failed")
    return int(bool(failed or marks))


if __name__ == "__main__":
    sys.exit(main())
