"""A sequencer's run folder of simulated reads: a library a sample, and some clusters of an index that is nobody's."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from baselake.demo.genome import Bases
from baselake.demo.reads import Reads, Run
from baselake.demo.run_folder import NO_CALL, RunLayout, TileCalls, write_run_folder
from baselake.ingest.illumina.run_info import Read

INDEXES = (("ATTACTCG", "TATAGCCT"), ("TCCGGAGA", "ATAGAGGC"))  # i7 and i5 of the first sample, the second
_OTHER = "GGGGGGGGAGATCTCG"  # what a cluster without an index reads as on two-colour instruments
_OTHER_SHARE = 0.01
_INDEX_ERROR = 0.002  # a base
_INDEX_QUALITY = 37
_FAILING_SHARE = 0.05  # of the clusters: what does not pass the filter

_CODE = np.full(256, NO_CALL, np.uint8)
_CODE[np.frombuffer(b"ACGT", np.uint8)] = np.arange(4)


def write_sequenced(root: Path, samples: Mapping[str, Iterable[Reads]], *, run: Run, seed: int) -> None:
    """Write simulated reads as the run folder of an instrument, with its sample sheet.

    Clusters that do not pass the filter and clusters of another index are added.

    Args:
        root: the run folder.
        samples: the reads of each, at most as many as there are `INDEXES`.
        run: the instrument; its `index` is not used.
        seed: the same seed writes the same folder.
    """
    rng = np.random.default_rng(seed)
    cycles = run.read_length
    made = _clusters([list(reads) for reads in samples.values()], rng)
    tiles = [_tile(run.lane, number, *columns) for number, columns in made]
    layout = RunLayout(
        run_id=root.name,
        tiles=tuple((tile.lane, tile.tile, len(tile.passed)) for tile in tiles),
        reads=tuple(
            Read(number=number, cycles=count, indexed=indexed, reverse_complement=False)
            for number, count, indexed in (
                (1, cycles, False),
                (2, len(INDEXES[0][0]), True),
                (3, len(INDEXES[0][1]), True),
                (4, cycles, False),
            )
        ),
        number=run.run_number,
        instrument=run.instrument,
        flowcell=run.flowcell,
    )
    sheet = (
        "[Header]\nFileFormatVersion,2\n\n[BCLConvert_Settings]\nBarcodeMismatchesIndex1,1\nBarcodeMismatchesIndex2,1\n\n"
        "[BCLConvert_Data]\nSample_ID,Index,Index2\n"
    ) + "".join(f"{sample},{i7},{i5}\n" for sample, (i7, i5) in zip(samples, INDEXES, strict=False))
    write_run_folder(root, layout, tiles, sample_sheet=sheet, threads=2)


_Columns = tuple[
    NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_], NDArray[np.int32], NDArray[np.int32]
]


def _clusters(samples: Sequence[Sequence[Reads]], rng: np.random.Generator) -> Iterator[tuple[int, _Columns]]:
    """The clusters of each tile: bases and qualities of all cycles, whether they passed, x and y."""
    chunks = [chunk for reads in samples for chunk in reads]
    indexes = np.array([list((i7 + i5).encode()) for i7, i5 in INDEXES], np.uint8)
    counts = [sum(len(chunk.seq[0]) for chunk in reads) for reads in samples]
    sample = np.repeat(np.arange(len(samples)), counts)
    number = np.concatenate([chunk.fragments.tile for chunk in chunks])
    x = np.concatenate([chunk.fragments.x for chunk in chunks]).astype(np.int32)
    y = np.concatenate([chunk.fragments.y for chunk in chunks]).astype(np.int32)
    bases = [np.concatenate([chunk.seq[segment] for chunk in chunks]) for segment in (0, 1)]
    quality = [np.concatenate([chunk.quality[segment] for chunk in chunks]) for segment in (0, 1)]
    for tile in np.unique(number):
        mine = np.flatnonzero(number == tile)
        # What is no sample's, or did not pass, are copies of clusters with their bases shuffled.
        others = rng.choice(mine, int(len(mine) * _OTHER_SHARE))
        failing = rng.choice(mine, int(len(mine) * _FAILING_SHARE))
        rows = np.concatenate([mine, others, failing])
        passed = np.arange(len(rows)) < len(mine) + len(others)
        index = indexes[sample[rows]]
        index[len(mine) : len(mine) + len(others)] = np.frombuffer(_OTHER.encode(), np.uint8)
        template = [rng.permuted(part[rows[len(mine) :]], axis=1) for part in bases]
        calls = np.concatenate(
            [
                np.concatenate([bases[0][mine], template[0]]),
                _with_errors(index, rng),
                np.concatenate([bases[1][mine], template[1]]),
            ],
            axis=1,
        )
        qualities = np.concatenate(
            [quality[0][rows], np.full(index.shape, _INDEX_QUALITY, np.uint8), quality[1][rows]], axis=1
        )
        order = rng.permutation(len(rows))
        columns = (_CODE[calls], qualities, passed, x[rows], y[rows])
        yield int(tile), tuple(column[order] for column in columns)  # type: ignore[misc]


def _with_errors(index: Bases, rng: np.random.Generator) -> Bases:
    wrong = rng.random(index.shape) < _INDEX_ERROR
    index[wrong] = rng.choice(np.frombuffer(b"ACGT", np.uint8), int(wrong.sum()))
    return index


def _tile(
    lane: int,
    number: int,
    bases: NDArray[np.uint8],
    qualities: NDArray[np.uint8],
    passed: NDArray[np.bool_],
    x: NDArray[np.int32],
    y: NDArray[np.int32],
) -> TileCalls:
    return TileCalls(lane=lane, tile=number, bases=bases, qualities=qualities, passed=passed, x=x, y=y)
