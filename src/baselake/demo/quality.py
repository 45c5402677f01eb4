"""Base qualities as Illumina instruments report them.

A profile gives the distribution of the quality at some cycles; between those it is interpolated. Within a
read qualities are correlated: a normal score made of a term shared by the read, an autoregressive term and
noise picks the quantile. Autocorrelation at lags 1, 2, 5, 20, 60 is then 0.72, 0.70, 0.64, 0.48, 0.40; the
NA12878 HiSeq 2000 reads have 0.71, 0.63, 0.56, 0.50, 0.40.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_SHARED_BY_READ = 0.48
_AUTOREGRESSIVE = 0.34
_AUTOREGRESSION = 0.94  # of the second term from one cycle to the next

_STEPS = 1024  # resolution of the quantile tables

Qualities = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Phred of segments 1 and 2, templates x cycles."""


class QualitySource(Protocol):
    """Where the qualities of a run come from, and how often a base of each is wrong."""

    def sampler(self, read_length: int) -> Callable[[np.random.Generator, int], Qualities]:
        """What draws the qualities of a number of templates."""

    def error_rates(self) -> NDArray[np.float32]:
        """Substitutions a base, by reported quality 0 to 63."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityProfile:
    """Qualities of one kind of run.

    Attributes:
        name: of the profile.
        shares: cumulative shares, ascending in (0, 1), that the rows of `levels` are quantiles at.
        levels: for segments 1 and 2, the phred quality at each of `shares`, by place in the read (0 the first
            cycle, 1 the last).
        binned: true where the instrument reports only the qualities named in `levels`.
    """

    name: str
    shares: tuple[float, ...]
    levels: tuple[Mapping[float, tuple[int, ...]], Mapping[float, tuple[int, ...]]]
    binned: bool

    def sampler(self, read_length: int) -> Callable[[np.random.Generator, int], Qualities]:
        """What draws the qualities of a number of templates."""
        tables = quality_tables(self, read_length)
        return lambda rng, templates: draw_qualities(rng, tables, templates)

    def error_rates(self) -> NDArray[np.float32]:
        """Substitutions a base, by reported quality 0 to 63: the qualities are taken at their word."""
        return (10.0 ** (-np.arange(64) / 10)).astype(np.float32)


# Quantiles of the reads of NA12878 (Illumina Platinum Genomes, HiSeq 2000, 2x101), chr20:10.0-10.1 Mb.
HISEQ = QualityProfile(
    name="hiseq",
    shares=(0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.98),
    levels=(
        {
            0.0: (26, 27, 30, 31, 31, 31, 34, 34, 34, 34),
            0.05: (27, 30, 33, 35, 35, 37, 37, 37, 37, 37),
            0.25: (24, 27, 32, 36, 38, 39, 40, 41, 41, 41),
            0.5: (14, 23, 30, 34, 38, 39, 40, 41, 41, 41),
            0.75: (8, 13, 23, 28, 31, 33, 35, 37, 39, 40),
            1.0: (7, 7, 15, 21, 28, 31, 33, 34, 35, 36),
        },
        {
            0.0: (16, 22, 27, 30, 31, 31, 34, 34, 34, 34),
            0.05: (11, 19, 30, 35, 35, 37, 37, 37, 37, 37),
            0.25: (10, 17, 29, 34, 38, 39, 41, 41, 41, 41),
            0.5: (8, 12, 24, 30, 33, 36, 38, 39, 40, 41),
            0.75: (7, 10, 23, 30, 34, 35, 37, 39, 41, 41),
            1.0: (7, 7, 18, 25, 31, 33, 34, 35, 35, 36),
        },
    ),
    binned=False,
)

# The levels a NovaSeq 6000 reports besides 2 for no call. Shares set by hand, to about 92% and 88% at 37.
NOVASEQ = QualityProfile(
    name="novaseq",
    shares=(0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.5),
    levels=(
        {
            0.0: (11, 25, 25, 37, 37, 37, 37, 37, 37, 37),
            0.5: (11, 11, 25, 25, 25, 37, 37, 37, 37, 37),
            1.0: (11, 11, 11, 11, 25, 25, 25, 25, 37, 37),
        },
        {
            0.0: (11, 11, 25, 25, 37, 37, 37, 37, 37, 37),
            0.5: (11, 11, 11, 25, 25, 25, 37, 37, 37, 37),
            1.0: (11, 11, 11, 11, 11, 25, 25, 25, 25, 37),
        },
    ),
    binned=True,
)


def quality_tables(profile: QualityProfile, read_length: int) -> NDArray[np.uint8]:
    """Tabulate a profile's quantile functions.

    Args:
        profile: the profile.
        read_length: cycles of a read.

    Returns:
        uint8, 2 x read_length x 1024: phred quality by segment, cycle and quantile.
    """
    quantiles = (np.arange(_STEPS) + 0.5) / _STEPS
    cycles = np.arange(read_length) / max(1, read_length - 1)
    tables = np.empty((2, read_length, _STEPS), dtype=np.uint8)
    for segment, levels in enumerate(profile.levels):
        knots = np.array([np.interp(quantiles, profile.shares, row) for row in levels.values()])
        for step in range(_STEPS):
            tables[segment, :, step] = np.rint(np.interp(cycles, list(levels), knots[:, step]))
    if profile.binned:
        every_row = [row for segment in profile.levels for row in segment.values()]
        reported = np.unique(every_row)
        nearest = np.abs(np.arange(64)[:, None] - reported).argmin(axis=1)
        tables = reported.astype(np.uint8)[nearest][tables]
    return tables


def draw_qualities(rng: np.random.Generator, tables: NDArray[np.uint8], templates: int) -> Qualities:
    """Draw the qualities of both segments.

    Args:
        rng: source of randomness.
        tables: what `quality_tables` returned.
        templates: number of pairs.

    Returns:
        Two uint8 arrays, templates x read_length, phred.
    """
    read_length = tables.shape[1]
    cycles = np.arange(read_length)
    drawn = []
    for segment in (0, 1):
        score = rng.standard_normal((templates, read_length), dtype=np.float32)
        drift = rng.standard_normal((read_length, templates), dtype=np.float32)
        drift[1:] *= np.float32(np.sqrt(1 - _AUTOREGRESSION**2))
        for cycle in range(1, read_length):
            drift[cycle] += np.float32(_AUTOREGRESSION) * drift[cycle - 1]
        score *= np.float32(np.sqrt(1 - _SHARED_BY_READ - _AUTOREGRESSIVE))
        score += np.float32(np.sqrt(_AUTOREGRESSIVE)) * drift.T
        score += np.float32(np.sqrt(_SHARED_BY_READ)) * rng.standard_normal((templates, 1), dtype=np.float32)
        drawn.append(tables[segment, cycles, _quantile_step(score)])
    return drawn[0], drawn[1]


def _quantile_step(score: NDArray[np.float32]) -> NDArray[np.int32]:
    """The place of normal scores among `_STEPS` equal shares, by a logistic approximation.

    Phi(z) ~ 1 / (1 + exp(-1.5976 z - 0.07056 z^3)), within 1.4e-4 (Page, Applied Statistics 26, 1977).
    """
    phi = 1 / (1 + np.exp(-score * (np.float32(1.5976) + np.float32(0.07056) * score * score)))
    return np.minimum((phi * _STEPS).astype(np.int32), _STEPS - 1)
