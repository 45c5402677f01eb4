"""Movers that are killed, stores that go away, and queries that go on all the while."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.tiers.define import add_tier
from baselake.catalog.tiers.placement import held_files
from baselake.catalog.tiers.policy import apply_policy, recall
from baselake.catalog.tiers.removals import pending_removals
from baselake.config import Config
from baselake.errors import StorageError
from baselake.lake.tiers import Tier
from tests.object_store import SeaweedFS, environment

from .lakes import EVERYTHING, missing_files, send_all, tiers_of_reads, unknown_files, write_run

RUNS = 6
KILLS = 8


def start_mover(lake: Path, grace: int) -> "subprocess.Popen[str]":
    script = Path(__file__).with_name("mover_process.py")
    return subprocess.Popen(
        [sys.executable, str(script), str(lake), str(grace)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.exhaustive  # tests/catalog/tiers/test_moves.py kills one at each of its steps
@pytest.mark.timeout(1800)
def test_a_mover_that_is_killed_again_and_again_loses_nothing(tiered: Catalog, config: Config) -> None:
    for run in range(RUNS):
        write_run(tiered, f"R{run}", files=2)
    before = tiered.query(EVERYTHING)
    send_all(tiered, "warm")
    rng = random.Random(7)
    rounds = 0
    for _ in range(KILLS):
        mover = start_mover(tiered.layout.root, grace=1)
        assert mover.stdout is not None
        mover.stdout.readline()  # it is at work
        time.sleep(rng.uniform(0, 3))
        os.kill(mover.pid, signal.SIGKILL)
        rounds += len(mover.communicate()[0].splitlines())
        assert tiered.query(EVERYTHING) == before
        assert missing_files(tiered) == set()
        assert {path for path in unknown_files(tiered) if not path.endswith(".part")} == set()
    apply_policy(tiered)
    apply_policy(tiered, now=int(time.time()) + config.tier_grace_seconds + 60)
    assert tiered.query(EVERYTHING) == before
    assert tiers_of_reads(tiered) == {"warm": 2 * RUNS}
    assert (unknown_files(tiered), missing_files(tiered), pending_removals(tiered)) == (set(), set(), [])


class Load:
    """Queries without a pause, from a process's own connection.

    Attributes:
        done: how many were answered.
        unreachable: errors that name a store that does not answer.
        wrong: anything else.
    """

    def __init__(self, lake: Path, config: Config, seed: int) -> None:
        self.done = 0
        self.unreachable: list[str] = []
        self.wrong: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(lake, config, random.Random(seed)))
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self, lake: Path, config: Config, rng: random.Random) -> None:
        with connect(lake, config, read_only=True) as reader:
            while not self._stop.is_set():
                run = f"R{rng.randrange(RUNS)}"
                try:
                    rows = reader.query("SELECT name, seq FROM read_records WHERE run_id = ?", [run])
                    if rows.num_rows != 40 or rows["seq"].null_count:
                        self.wrong.append(f"{run}: {rows.num_rows} rows")
                    self.done += 1
                except StorageError as error:
                    self.unreachable.append(str(error))
                except Exception as error:  # noqa: BLE001 - whatever it is, the test is to show it
                    self.wrong.append(f"{type(error).__name__}: {error}")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SeaweedFS]:
    """An object store of this test alone, for it is killed."""
    server = SeaweedFS(tmp_path)
    server.start()
    for name, value in environment(server).items():
        monkeypatch.setenv(name, value)
    yield server
    server.kill()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_files_move_under_queries_while_the_store_dies_and_comes_back(
    lake: Path, config: Config, store: SeaweedFS
) -> None:
    with connect(lake, config) as catalog:
        for run in range(RUNS):
            write_run(catalog, f"R{run}", files=2)
        before = catalog.query(EVERYTHING)
        load = [Load(lake, config, seed) for seed in range(2)]  # open before there is a tier
        add_tier(catalog, Tier(name="warm", url=f"s3://{store.bucket}/lake"))
        send_all(catalog, "warm")
        # Longer than any query of this test: as the setting is to be chosen.
        mover = Mover(lake, grace=120)
        try:
            wait_for(lambda: mover.rounds() > 0 and sum(one.done for one in load) > 20)
            well = [len(one.unreachable) for one in load]
            store.kill()
            wait_for(lambda: mover.refused() > 0)  # it met the dead store
            store.start()
            rounds, done = mover.rounds(), sum(one.done for one in load)
            wait_for(lambda: mover.rounds() > rounds and sum(one.done for one in load) > done + 20)
        finally:
            for one in load:
                one.end()
            mover.kill()
        assert [one.wrong for one in load] == [[], []]
        assert well == [0, 0]
        for text in (text for one in load for text in one.unreachable):
            assert "lake/main/read_records/" in text
            assert "the store does not answer" in text
        apply_policy(catalog)
        assert catalog.query(EVERYTHING) == before
        assert (unknown_files(catalog), missing_files(catalog)) == (set(), set())
        recall(catalog, None, table="read_records")
        store.kill()
        assert catalog.query(EVERYTHING) == before  # nothing of it is on the store any more
        assert {one.tier for one in held_files(catalog)} == {"hot"}


class Mover:
    """A mover that goes on for ever, and what it says."""

    def __init__(self, lake: Path, grace: int) -> None:
        self._process = start_mover(lake, grace)
        self._said: list[str] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line)

    def rounds(self) -> int:
        """How often it moved all there is, there and back."""
        return sum(1 for line in self._said if line == f"{2 * RUNS} {2 * RUNS}\n")

    def refused(self) -> int:
        """How often the store did not answer it."""
        return sum(1 for line in self._said if line.startswith("store"))

    def kill(self) -> None:
        os.kill(self._process.pid, signal.SIGKILL)
        self._thread.join()
        self._process.wait()


def wait_for(reached: object) -> None:
    deadline = time.monotonic() + 600
    while not reached():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)
