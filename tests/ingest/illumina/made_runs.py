"""Run folders with random calls, and what reading them must give."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from baselake.demo.run_folder import NO_CALL, RunLayout, TileCalls, write_run_folder
from baselake.ingest.illumina.folder import open_run_folder
from baselake.ingest.illumina.run_files import RunFolder
from baselake.ingest.illumina.run_info import Read, read_run_info

LETTERS = np.frombuffer(b"ACGTN", np.uint8)
# In every kind of file alike: those of a NovaSeq's bins, as CBCL files hold no others.
QUALITIES = np.array([11, 25, 37], np.uint8)


def read_of(number: int, cycles: int, *, indexed: bool = False) -> Read:
    return Read(number=number, cycles=cycles, indexed=indexed, reverse_complement=False)


def random_tile(
    lane: int, tile: int, clusters: int, cycles: int, *, seed: int = 1, passing: float = 0.8
) -> TileCalls:
    """Random calls, one in twenty of them N; clusters in rows of 82 bins of `.clocs`, in their order."""
    random = np.random.default_rng([seed, lane, tile])
    bases = random.integers(0, 4, (clusters, cycles), dtype=np.uint8)
    bases[random.random(bases.shape) < 0.05] = NO_CALL
    bins = np.sort(random.integers(0, 400, clusters))
    return TileCalls(
        lane=lane,
        tile=tile,
        bases=bases,
        qualities=random.choice(QUALITIES, bases.shape),
        passed=random.random(clusters) < passing,
        x=(1000 + 250 * (bins % 82) + random.integers(0, 250, clusters)).astype(np.int32),
        y=(1000 + 250 * (bins // 82) + random.integers(0, 250, clusters)).astype(np.int32),
    )


def write_run(
    root: Path, tiles: Sequence[TileCalls], reads: Sequence[Read] | None = None, **layout: object
) -> RunFolder:
    """Write a run folder of these tiles and open it; without reads, all cycles are one."""
    cycles = tiles[0].bases.shape[1]
    made = RunLayout(
        run_id="260131_BLSIM01_0001_HBASELAKE",
        tiles=tuple((tile.lane, tile.tile, len(tile.passed)) for tile in tiles),
        reads=tuple(reads) if reads is not None else (read_of(1, cycles),),
        **layout,  # type: ignore[arg-type]
    )
    write_run_folder(root, made, tiles)
    return open_run_folder(root, read_run_info(root / "RunInfo.xml"))


def expected_bases(tile: TileCalls) -> NDArray[np.uint8]:
    return LETTERS[tile.bases]


def expected_qualities(tile: TileCalls) -> NDArray[np.uint8]:
    return np.where(tile.bases == NO_CALL, 2, tile.qualities).astype(np.uint8) + ord("!")
