"""Homopolymers and short tandem repeats of a sequence, found without a loop over bases."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LONGEST_UNIT = 6
# Shorter tracts slip no more often than ordinary sequence.
FEWEST_COPIES = (5, 4, 4, 3, 3, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracts:
    """Repeat tracts by unit length, then start; three arrays of one length.

    Attributes:
        start: int64, 0-based place of the first base.
        unit: int64, bases in the repeated unit, 1 to 6.
        copies: int64, whole units in the tract.
    """

    start: NDArray[np.int64]
    unit: NDArray[np.int64]
    copies: NDArray[np.int64]


def repeat_tracts(bases: NDArray[np.uint8]) -> Tracts:
    """Find tracts whose unit is 1 to 6 bases and repeats at least `FEWEST_COPIES` times.

    Args:
        bases: ASCII bases; N repeats nothing.

    Returns:
        The tracts; a unit that is itself a repeat (ATAT) is counted once, under the shorter unit.
    """
    known = bases != ord("N")
    found = []
    for unit in range(1, LONGEST_UNIT + 1):
        same = (bases[unit:] == bases[:-unit]) & known[unit:]
        edges = np.flatnonzero(np.diff(same, prepend=False, append=False))
        start, end = edges[::2], edges[1::2]
        copies = (end - start + unit) // unit
        enough = copies >= FEWEST_COPIES[unit - 1]
        start, copies = start[enough], copies[enough]
        primitive = np.ones(start.size, dtype=bool)
        for shorter in (d for d in range(1, unit) if unit % d == 0):
            window = bases[start[:, None] + np.arange(unit)]
            primitive &= (window[:, shorter:] != window[:, :-shorter]).any(axis=1)
        start, copies = start[primitive], copies[primitive]
        found.append((start, np.full(start.size, unit, dtype=np.int64), copies))
    start, unit_lengths, copies = (np.concatenate(column) for column in zip(*found, strict=True))
    return Tracts(start=start, unit=unit_lengths, copies=copies)
