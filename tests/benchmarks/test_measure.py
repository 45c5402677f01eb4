"""What benchmarks report is what a process tree really took."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.benchmarks.modules import benchmark

CORES = sorted(os.sched_getaffinity(0))[:1]


@pytest.fixture(scope="module")
def module() -> ModuleType:
    return benchmark("measure")


@pytest.fixture
def run(module: ModuleType, tmp_path: Path) -> Callable[[str], Any]:
    def measured(script: str) -> Any:
        return module.measure(
            script, cores=CORES, environment={"PYTHON": sys.executable}, log=tmp_path / "log"
        )

    return measured


def test_waiting_costs_wall_time_but_no_processor_time(run: Callable[[str], Any]) -> None:
    measured = run("sleep 0.3")
    assert 0.3 <= measured.wall_seconds < 5
    assert measured.cpu_seconds < 0.2


def test_work_of_children_counts(run: Callable[[str], Any]) -> None:
    spin = '"$PYTHON" -c "import time; t = time.process_time()\nwhile time.process_time() < t + 0.4: pass"'
    assert run(f"({spin}) & ({spin}); wait").cpu_seconds >= 0.8


def test_memory_is_that_of_the_whole_tree_at_once(run: Callable[[str], Any]) -> None:
    hold = '"$PYTHON" -c "import time; x = bytearray(b\'1\') * 100_000_000; time.sleep(1)"'
    together = run(f"{hold} & {hold}; wait").peak_bytes
    in_turn = run(f"{hold}; {hold}").peak_bytes
    assert 200e6 < together < 300e6
    assert 100e6 < in_turn < 150e6


def test_memory_of_the_measuring_process_does_not_count(run: Callable[[str], Any]) -> None:
    held = bytearray(b"1") * 100_000_000
    assert run("sleep 0.3").peak_bytes < 50e6
    assert len(held) == 100_000_000


def test_a_failing_command_is_an_error_with_its_message(run: Callable[[str], Any]) -> None:
    with pytest.raises(RuntimeError, match="no such thing"):
        run("echo no such thing >&2; exit 3")


def test_a_failing_part_of_a_pipe_is_an_error(run: Callable[[str], Any]) -> None:
    with pytest.raises(RuntimeError, match="exit status 1"):
        run("false | cat")
