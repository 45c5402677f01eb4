"""How badly reads fit haplotypes: the forward algorithm of a pair hidden Markov model, in native code.

`pairhmm.h` is the kernel, `kernel.cu` the same for a GPU, to which `launch.py` takes batches; `gaps.h` says how readily
insertions and deletions arise, `reference.py` is the slow oracle. Costs are phred: -10 log10 of a likelihood. Functions
release the GIL and keep no state; the cost of a pair depends on the pair and the band alone.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from baselake.compute.pairhmm import _twin
from baselake.compute.pairhmm.layout import Haplotypes, Reads

MAX_COST = 6000.0
"""Phred of what fits worse than float64 can tell."""


def as_reads(bases: Sequence[str], qualities: Sequence[Sequence[int]]) -> Reads:
    """Lays out reads given as text and phred qualities.

    Raises:
        ValueError: a read and its qualities differ in length.
    """
    if any(len(read) != len(quality) for read, quality in zip(bases, qualities, strict=True)):
        raise ValueError("a read has another number of qualities than of bases")
    flat = [value for quality in qualities for value in quality]
    return Reads(offsets=_offsets(bases), bases=_ascii(bases), quality=np.array(flat, np.uint8))


def as_haplotypes(bases: Sequence[str]) -> Haplotypes:
    """Lays out haplotypes given as text, with the gap qualities of `gap_open_qualities`."""
    opening = np.concatenate([gap_open_qualities(one) for one in bases] or [np.empty(0, np.uint8)])
    return Haplotypes(offsets=_offsets(bases), bases=_ascii(bases), insertion=opening, deletion=opening)


def costs(
    reads: Reads,
    haplotypes: Haplotypes,
    read: npt.NDArray[np.int32],
    haplotype: npt.NDArray[np.int32],
    diagonal: npt.NDArray[np.int32],
    *,
    left: int,
    right: int,
) -> npt.NDArray[np.float32]:
    """Phred of the likelihood of each pair of a read and a haplotype.

    Args:
        reads: the reads.
        haplotypes: the haplotypes.
        read: of each pair, which read.
        haplotype: of each pair, which haplotype.
        diagonal: of each pair, the haplotype base (0-based, may lie outside) where read base 0 is expected.
        left: how much further left an alignment may run, in bases.
        right: how much further right.

    Returns:
        float32 by pair, at most `MAX_COST`; 0 for a read without bases.

    Raises:
        ValueError: a pair names no read or haplotype, lengths disagree, or the band is negative.
    """
    if left < 0 or right < 0:
        raise ValueError(f"a band of {left} and {right} bases")
    _check(reads.offsets, reads.bases, reads.quality)
    _check(haplotypes.offsets, haplotypes.bases, haplotypes.insertion, haplotypes.deletion)
    if not len(read) == len(haplotype) == len(diagonal):
        raise ValueError("pairs have as many reads as haplotypes and diagonals")
    for which, offsets in ((read, reads.offsets), (haplotype, haplotypes.offsets)):
        if len(which) and not 0 <= which.min() <= which.max() < len(offsets) - 1:
            raise ValueError("a pair names a read or haplotype that is not there")
    return _twin.costs(
        reads.offsets,
        reads.bases,
        reads.quality,
        haplotypes.offsets,
        haplotypes.bases,
        haplotypes.insertion,
        haplotypes.deletion,
        read,
        haplotype,
        diagonal,
        left,
        right,
    )


def gap_open_qualities(haplotype: str) -> npt.NDArray[np.uint8]:
    """Phred, by base, of an insertion or deletion error that opens there.

    A tandem repeat of units of 1 to 4 bases slips more the longer it is, as `docs/calling-model.md` says; each of its
    bases has an equal share, because the forward algorithm adds up all the places where a slip may be written.
    """
    return _twin.gap_open_qualities(haplotype)


def pcr_gap_open_qualities(bases: str) -> npt.NDArray[np.uint8]:
    """The same by GATK's PCR indel model: max(10, round(41 - exp(units / (3 pi)))), at most 20 units of 1 to 8."""
    return _twin.pcr_gap_open_qualities(bases)


def _offsets(items: Sequence[str]) -> npt.NDArray[np.int32]:
    return np.cumsum([0, *map(len, items)], dtype=np.int32)


def _ascii(items: Sequence[str]) -> npt.NDArray[np.uint8]:
    return np.frombuffer("".join(items).encode("ascii"), np.uint8)


def _check(offsets: npt.NDArray[np.int32], *values: npt.NDArray[np.uint8]) -> None:
    if offsets[0] != 0 or np.any(np.diff(offsets) < 0) or any(len(value) != offsets[-1] for value in values):
        raise ValueError("offsets do not fit what they cut")
