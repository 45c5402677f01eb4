"""Running the command line from tests, as a user does, and the script that scores its calls."""

import json
import os
import subprocess
import sys
from pathlib import Path

# The command as it is installed. By `python -c` DuckDB would take the session for an interactive one, and draw a
# progress bar on standard output when a query takes longer than two seconds.
BASELAKE = (sys.executable, str(Path(sys.executable).with_name("baselake")))


def start(lake: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    """A command under way on a lake."""
    kept = "BASELAKE_KEYRING"  # a lake that is encrypted needs it
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith("BASELAKE_") or key == kept
    }
    environment["BASELAKE_LAKE"] = str(lake)
    return subprocess.Popen(
        [*BASELAKE, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def baselake(lake: Path, *arguments: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    """A command that must end with `status`."""
    process = start(lake, *arguments)
    out, err = process.communicate()
    assert process.returncode == status, err
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def count(lake: Path, rows: str) -> int:
    """How many rows a table, with or without a condition, has."""
    return int(
        baselake(lake, "sql", f"SELECT count(*) AS n FROM {rows}", "--format", "csv").stdout.split()[1]
    )


def score(
    script: Path, reference: Path, truth: Path, calls: Path, *options: str
) -> dict[str, dict[str, float]]:
    """What the comparison script counts, by class: SNV and INDEL."""
    files = ["--reference", str(reference), "--truth", str(truth), "--calls", str(calls)]
    command = [sys.executable, str(script), *files, "--json", *options]
    result: dict[str, dict[str, float]] = json.loads(
        subprocess.run(command, check=True, capture_output=True).stdout
    )
    return result
