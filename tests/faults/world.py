"""A share, a real daemon that watches it, a disk that can be full, and runs that may come onto the share."""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from baselake.api import Lake
from baselake.demo.run_folder import Kind, RunLayout, TileCalls, instrument_order, write_run_folder
from tests.commands import BASELAKE
from tests.ingest.illumina.made_runs import read_of
from tests.ingest.illumina.run_folders import (
    Sample,
    sheet_of,
    tile_of,
)

READS = (read_of(1, 7), read_of(2, 8, indexed=True), read_of(3, 8, indexed=True), read_of(4, 5))
PLACES = ((1, 1101), (1, 2101), (2, 1101), (2, 2101))
BARCODES = ("ACGTACGTTTGCAATC", "TTGCAATCACGTACCA", "GGATCCAAGCGCTATA")
SAMPLES = tuple(
    Sample(name=name, index1=barcode[:8], index2=barcode[8:])
    for name, barcode in zip(("NA1", "NA2", "NA3"), BARCODES, strict=True)
)
KINDS: tuple[Kind, ...] = ("bcl", "bcl.gz", "bgzf", "cbcl")
SHEET = "SampleSheet.csv"
PATIENCE = 900.0  # seconds in which what is waited for must come true: a busy machine is no fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run folder that is to be: its files by path, in the order in which an instrument writes them."""

    name: str
    flowcell: str
    kind: Kind
    tiles: tuple[TileCalls, ...]
    files: dict[str, bytes]

    def without(self, *names: str) -> "Run":
        """The run without files of these names, or in whose paths they are."""
        kept = {path: data for path, data in self.files.items() if not any(name in path for name in names)}
        return replace(self, files=kept)

    def file(self, pattern: str) -> str:
        """The first file whose path a pattern is found in."""
        return next(path for path in self.files if re.search(pattern, path))

    def with_file(self, path: str, data: bytes) -> "Run":
        return replace(self, files=self.files | {path: data})

    def first_half(self) -> "Run":
        """What is there when half of the cycles are written."""
        half = list(self.files.items())[: len(self.files) // 2]
        return replace(self, files=dict(half))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run must stand in the end.

    Attributes:
        run: its name in the lake.
        state: of `runs`.
        error: is found in `runs.error`; empty: there is none.
        flowcell, tiles, samples: what must be in the lake, and by which sheet.
        counts: instead, reads by sample.
    """

    run: str
    state: str = "complete"
    error: str = ""
    flowcell: str = ""
    tiles: Sequence[TileCalls] = ()
    samples: Sequence[Sample] = SAMPLES
    counts: Mapping[str | None, int] | None = None


def in_lake(run: Run, **but: object) -> Outcome:
    """The whole run, complete, by the usual sheet, but for what is given."""
    return replace(Outcome(run=run.name, flowcell=run.flowcell, tiles=run.tiles), **but)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Until:
    """What a case waits for, in words and as a question."""

    what: str
    true: Callable[[], bool]


Steps = Generator[Until, None, list[Outcome]]
Arrival = Iterator[Until]


@dataclass(slots=True)
class Share:
    """The instruments' share, and what was put there. While it is away, it is filled where it is then."""

    root: Path
    away: bool = False
    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)

    @property
    def at(self) -> Path:
        return self.root.with_name("elsewhere") if self.away else self.root

    def put(self, path: str, data: bytes) -> None:
        target = self.at / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        self._know(path, data)

    def touch(self, path: str) -> None:
        os.utime(self.at / path)
        self._know(path, self.files[path][0])

    def rename(self, before: str, after: str) -> None:
        (self.at / after).parent.mkdir(parents=True, exist_ok=True)
        (self.at / before).rename(self.at / after)
        for path in [path for path in self.files if path.startswith(f"{before}/")]:
            self.files[f"{after}{path.removeprefix(before)}"] = self.files.pop(path)

    def remove(self, folder: str) -> None:
        for path in [path for path in self.files if path.startswith(f"{folder}/")]:
            del self.files[path]
        shutil.rmtree(self.at / folder)

    def unmount(self) -> None:
        """The share goes away; what it was mounted on stays."""
        self.root.rename(self.root.with_name("elsewhere"))
        self.root.mkdir()
        self.away = True

    def mount(self) -> None:
        self.root.rmdir()
        self.root.with_name("elsewhere").rename(self.root)
        self.away = False

    def _know(self, path: str, data: bytes) -> None:
        self.files[path] = data, (self.at / path).stat().st_mtime_ns

    def check(self) -> None:
        """Nothing is there but what was put there, and that untouched."""
        there = {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}
        assert there ^ set(self.files) == set(), "files came or went on the share"
        for path, (data, changed) in self.files.items():
            assert (self.root / path).read_bytes() == data, f"{path} was written to"
            assert (self.root / path).stat().st_mtime_ns == changed, f"{path} was touched"


@dataclass(slots=True, kw_only=True)
class World:
    """A share, a daemon that watches it, and the lake as another process sees it."""

    share: Share
    lake: Lake
    folder: Path
    shim: Path
    dice: random.Random
    process: "subprocess.Popen[bytes] | None" = None
    kills: int = 0
    _seen: dict[str, tuple[str, str | None, str | None, int]] = field(default_factory=dict)
    _seen_at: float = 0.0

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace") if (self.folder / "log").exists() else ""

    @property
    def full(self) -> Path:
        """While this file is there the disk is full."""
        return self.folder / "full"

    def start(self, *options: str) -> "subprocess.Popen[bytes]":
        environment = {key: value for key, value in os.environ.items() if not key.startswith("BASELAKE_")}
        root = self.lake.catalog.layout.root
        environment |= {
            "BASELAKE_LAKE": str(root),
            "LD_PRELOAD": str(self.shim),
            "BASELAKE_FULL_BELOW": f"{root}/",
            "BASELAKE_FULL_WHILE": str(self.full),
        }
        times = {
            "interval": 0.3,
            "settle": 1,
            "settle-unmarked": 2,
            "patience": 3,
            "abandoned": 4,
            "retry": 0.2,
        }
        command = [*BASELAKE, "watch", str(self.share.root)]
        command += [f"--{name}={seconds}" for name, seconds in times.items()]
        command += ["--depth=4", "--workers=2", "--reserve=1MiB", "--metrics-port=0", *options]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, env=environment, stderr=log, stdout=log)
        return self.process

    def stop(self, number: signal.Signals) -> int:
        """End the daemon by a signal; the status it ends with."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE)

    def supervise(self) -> None:
        """Start the daemon again where the disk is too full for it to start, as systemd does; else it must live."""
        assert self.process is not None
        status = self.process.poll()
        full = r"^baselake: .*(No space left on device|disk is full or fails)"
        if status == 1 and re.search(full, self.log[-2000:], re.MULTILINE):
            self.start()
        else:
            assert status is None, f"the daemon ended by itself, {status}\n{self.log[-6000:]}"

    def runs(self) -> dict[str, tuple[str, str | None, str | None, int]]:
        """State, error, sheet and number of tiles of each run."""
        if time.monotonic() - self._seen_at > 0.2:
            rows = self.lake.sql(
                "SELECT run_id, state, error, sample_sheet, (SELECT count(*) FROM run_tiles AS t"
                " WHERE t.run_id = r.run_id) AS tiles FROM runs AS r"
            ).to_pylist()
            self._seen = {
                row["run_id"]: (row["state"], row["error"], row["sample_sheet"], row["tiles"]) for row in rows
            }
            self._seen_at = time.monotonic()
        return self._seen

    def worker(self, run: str) -> int | None:
        """The process that imports a run now."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if b"baselake.ingest.watch.worker" in words and f'"run_id": "{run}"'.encode() in words[-2]:
                task = json.loads(words[-2])
                if task["lake"] == str(self.lake.catalog.layout.root):
                    return int(path.parent.name)
        return None

    # What a case may wait for.

    def stands(self, run: str, state: str, error: str = "") -> Until:
        """The run is in a state, for a reason in which `error` is found."""

        def true() -> bool:
            seen = self.runs().get(run)
            return seen is not None and seen[0] == state and re.search(error, seen[1] or "") is not None

        return Until(f"{run} to be {state} {error}", true)

    def has_sheet(self, run: str, text: bytes) -> Until:
        digest = hashlib.sha256(text).hexdigest()

        def true() -> bool:
            seen = self.runs().get(run)
            return seen is not None and (seen[0], seen[2]) == ("complete", digest)

        return Until(f"{run} to be assigned by its last sheet", true)

    def under_way(self, run: str) -> Until:
        """Any of the moments between its first file and its last tile, or after that."""
        moments: tuple[tuple[str, Callable[[], bool]], ...] = (
            ("a worker", lambda: self.worker(run) is not None),
            ("state ingesting", lambda: self.runs().get(run, ("",))[0] == "ingesting"),
            ("a tile", lambda: self.runs().get(run, ("", None, None, 0))[3] > 0),
        )
        what, true = self.dice.choice(moments)
        return Until(f"{run} to have {what}", lambda: true() or self.is_complete(run))

    def is_complete(self, run: str) -> bool:
        return self.runs().get(run, ("",))[0] == "complete"

    def logged(self, text: str, since: int = 0) -> Until:
        return Until(f"the log to say {text!r}", lambda: re.search(text, self.log[since:]) is not None)

    def misses_the_share(self) -> Until:
        """The daemon has found that the share is gone, now or before: of a moment's return it may have seen nothing."""

        def true() -> bool:
            told = re.findall(r"the share is (?:gone|back)|^\S+ watching ", self.log, re.MULTILINE)
            return bool(told) and told[-1] == "the share is gone"

        return Until("the daemon to miss the share", true)

    def later(self, seconds: float) -> Until:
        """Nothing is to happen for so long."""
        end = time.monotonic() + seconds
        return Until(f"{seconds} s to pass", lambda: time.monotonic() > end)

    def mounted(self) -> Until:
        return Until("the share to be back", lambda: not self.share.away)


def made_run(scratch: Path, number: int, kind: Kind, seed: int, samples: Sequence[Sample] = SAMPLES) -> Run:
    """A run of four small tiles."""
    name, flowcell = f"260131_BLSIM01_{number:04}_AH{number:04}XX", f"AH{number:04}XX"
    tiles = tuple(
        tile_of(lane, tile, 30 + (7 * number + 5 * place) % 29, READS, BARCODES, seed=seed + number)
        for place, (lane, tile) in enumerate(PLACES)
    )
    layout = RunLayout(
        run_id=name,
        flowcell=flowcell,
        tiles=tuple((tile.lane, tile.tile, len(tile.passed)) for tile in tiles),
        reads=READS,
        kind=kind,
        pf_excluded_from=20,
    )
    folder = scratch / name
    write_run_folder(folder, layout, tiles, sample_sheet=sheet_of(samples))
    files = {str(path.relative_to(folder)): path.read_bytes() for path in instrument_order(folder)}
    shutil.rmtree(folder)
    return Run(name=name, flowcell=flowcell, kind=kind, tiles=tiles, files=files)
