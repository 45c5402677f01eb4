"""The DNA fragments of a library: where they lie, how PCR changed them, where they sit on the flowcell.

Everything is an array over templates. Places are indices into the haplotypes laid end to end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baselake.demo.genome import Bases
from baselake.demo.tracts import repeat_tracts

_TILES = np.array(
    [surface * 1000 + swath * 100 + tile for surface in (1, 2) for swath in (1, 2) for tile in range(1, 9)],
    dtype=np.int64,
)
_TILE_EDGE = 1_000, 32_000  # x and y as Illumina counts them, tenths of a pixel
_OPTICAL_RADIUS = 40  # well inside the 100 that Picard and samtools take as optical

# Slippage per template of a tract, `base * exp(growth * copies)`, by unit length. Set by hand: homopolymers
# slip in about 0.3% of PCR-free templates at 10 copies and 4% at 15, as in NA12878 chr20:10.0-10.1 Mb.
_SLIPPAGE = {1: (1e-5, 0.55), 2: (5e-5, 0.5)}
_SLIPPAGE_LONGER_UNIT = 3e-5, 0.45
_MOST_SLIPPAGE = 0.25
_CONTRACTION = 0.6  # share of slips that lose units
_ORDINARY_INDEL = 5e-6  # per base of a template, outside tracts


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """How a library was made.

    Attributes:
        mean_length: of fragments, bases.
        sd_length: standard deviation of it, bases.
        pcr_duplicates: share of templates that copy another one.
        optical_duplicates: share of templates that copy another one beside it on the flowcell.
        slippage: PCR cycles' effect on repeats; 1 as in a PCR-free library, 3 with ten cycles.
        gc_bias: 0 for even coverage; 1 for the loss of about half at 20% and 65% GC.
    """

    mean_length: float = 420.0
    sd_length: float = 85.0
    pcr_duplicates: float = 0.04
    optical_duplicates: float = 0.01
    slippage: float = 1.0
    gc_bias: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragments:
    """Templates in flowcell order; arrays of one length.

    Attributes:
        start: int64, index of the first base among the haplotypes laid end to end.
        length: int32, bases of the molecule after slippage.
        reverse: bool, segment 1 reads the reverse strand.
        slip_at: int32, base of the molecule from which it is shifted against the haplotype.
        slip: int32, bases lost (positive) or gained (negative) there; 0 for none.
        tile: int64, as in Illumina read names.
        x: int64.
        y: int64.
    """

    start: NDArray[np.int64]
    length: NDArray[np.int32]
    reverse: NDArray[np.bool_]
    slip_at: NDArray[np.int32]
    slip: NDArray[np.int32]
    tile: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]

    def __len__(self) -> int:
        return self.start.size

    def take(self, which: NDArray[np.int64] | slice) -> "Fragments":
        """The templates at some indices."""
        return Fragments(**{name: getattr(self, name)[which] for name in self.__slots__})


def draw_fragments(
    rng: np.random.Generator,
    haplotypes: Sequence[Bases],
    depths: Sequence[float],
    library: Library,
    read_length: int,
) -> Fragments:
    """Draw the templates of a run.

    Args:
        rng: source of randomness.
        haplotypes: ASCII bases of each; they are laid end to end in this order.
        depths: mean coverage of each by bases read, duplicates and overlaps of mates included.
        library: how the library was made.
        read_length: cycles of one segment.

    Returns:
        Templates sorted by tile and x, as an instrument writes them.
    """
    copied = library.pcr_duplicates + library.optical_duplicates
    starts, lengths = [], []
    offset = 0
    for bases, depth in zip(haplotypes, depths, strict=True):
        count = round(bases.size * depth / (2 * read_length) * (1 - copied))
        length = np.rint(rng.normal(library.mean_length, library.sd_length, count)).astype(np.int64)
        length = length.clip(read_length // 3, bases.size - 1)
        start = _draw_starts(rng, bases, count, library.gc_bias)
        start = np.minimum(start, bases.size - length)
        unknown = np.concatenate(([0], np.cumsum(bases == ord("N"))))
        whole = unknown[start + length] == unknown[start]
        start, length = start[whole], length[whole]
        starts.append(start + offset)
        lengths.append(length)
        offset += bases.size
    start, length = np.concatenate(starts), np.concatenate(lengths)
    slip_at, slip = _draw_slips(rng, np.concatenate(haplotypes), start, length, library.slippage)
    unique = Fragments(
        start=start,
        length=(length - slip).astype(np.int32),
        reverse=rng.random(start.size) < 0.5,
        slip_at=slip_at,
        slip=slip,
        tile=rng.choice(_TILES, start.size),
        x=rng.integers(*_TILE_EDGE, start.size),
        y=rng.integers(*_TILE_EDGE, start.size),
    )
    made = _with_duplicates(rng, unique, library)
    return made.take(np.lexsort((made.x, made.tile)))


def _draw_starts(rng: np.random.Generator, bases: Bases, count: int, gc_bias: float) -> NDArray[np.int64]:
    """Starts weighted by the GC content of the 300 bases that follow, none where those have an N."""
    window = min(300, bases.size)
    strong = np.concatenate(([0], np.cumsum((bases == ord("G")) | (bases == ord("C")))))
    unknown = np.concatenate(([0], np.cumsum(bases == ord("N"))))
    end = np.minimum(np.arange(bases.size) + window, bases.size)
    begin = end - window
    gc = (strong[end] - strong[begin]) / window
    weight = 1 - gc_bias * ((gc - 0.42) / 0.25).clip(-1, 1) ** 2 * 0.6
    weight[unknown[end] > unknown[begin]] = 0
    cumulative = np.cumsum(weight)
    return np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")


def _draw_slips(
    rng: np.random.Generator,
    bases: Bases,
    start: NDArray[np.int64],
    length: NDArray[np.int64],
    slippage: float,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """At most one slip for each template: where in it, and by how many bases (positive: lost)."""
    tracts = repeat_tracts(bases)
    rate = np.full(bases.size, _ORDINARY_INDEL)
    unit = np.ones(bases.size, dtype=np.int64)
    by_unit = [_SLIPPAGE.get(int(length), _SLIPPAGE_LONGER_UNIT) for length in tracts.unit]
    base, growth = np.array(by_unit).reshape(-1, 2).T
    rate[tracts.start] += np.minimum(_MOST_SLIPPAGE, slippage * base * np.exp(growth * tracts.copies))
    unit[tracts.start] = tracts.unit
    expected = np.concatenate(([0.0], np.cumsum(rate)))
    # A tract slips only when the template holds some of what follows it.
    end = start + np.maximum(length - 30, 1)
    share = expected[end] - expected[start]
    slips = np.flatnonzero(rng.random(start.size) < -np.expm1(-share))
    target = expected[start[slips]] + rng.random(slips.size) * share[slips]
    place = np.searchsorted(expected, target, side="right") - 1
    units = rng.geometric(0.9, slips.size)
    lost = rng.random(slips.size) < _CONTRACTION
    bases_moved = np.minimum(units * unit[place], 12)
    slip = np.zeros(start.size, dtype=np.int32)
    slip_at = np.zeros(start.size, dtype=np.int32)
    slip[slips] = np.where(lost, bases_moved, -bases_moved)
    # A gain repeats the bases just read, so it begins after them.
    slip_at[slips] = place - start[slips] + np.where(lost, 0, bases_moved)
    return slip_at, slip


def _with_duplicates(rng: np.random.Generator, unique: Fragments, library: Library) -> Fragments:
    """The templates and their copies; optical copies sit beside the original."""
    made = len(unique) / (1 - library.pcr_duplicates - library.optical_duplicates)
    counts = [round(made * share) for share in (library.pcr_duplicates, library.optical_duplicates)]
    copies = unique.take(rng.integers(0, len(unique), sum(counts)))
    tile, x, y = copies.tile.copy(), copies.x.copy(), copies.y.copy()
    far, near = slice(0, counts[0]), slice(counts[0], None)
    tile[far] = rng.choice(_TILES, counts[0])
    for axis in (x, y):
        axis[far] = rng.integers(*_TILE_EDGE, counts[0])
        axis[near] += rng.integers(1, _OPTICAL_RADIUS, counts[1])
    columns = {name: getattr(copies, name) for name in copies.__slots__} | {"tile": tile, "x": x, "y": y}
    return Fragments(
        **{name: np.concatenate((getattr(unique, name), columns[name])) for name in unique.__slots__}
    )
