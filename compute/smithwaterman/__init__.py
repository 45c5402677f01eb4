"""How haplotypes differ from the reference: banded alignment with affine gaps, in native code.

`smithwaterman.h` is the kernel, `reference.py` the slow oracle. Both sequences are aligned from end to end: a caller's
haplotypes and the reference share their flanks. Functions release the GIL and keep no state.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baselake.compute.smithwaterman import _twin


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What an alignment is worth; a gap of n bases has open + (n - 1) x extend.

    Attributes:
        match: two equal bases.
        mismatch: two others; negative.
        open: the first base of a gap; negative.
        extend: each further base; negative.
    """

    match: int
    mismatch: int
    open: int
    extend: int


HAPLOTYPE_SCORES = Scores(
    **dict(zip(("match", "mismatch", "open", "extend"), _twin.HAPLOTYPE_SCORES, strict=True))
)
"""GATK's, of haplotypes to the reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """The best alignment of a query to a target.

    Attributes:
        score: by the scores that were asked for.
        cigar: of M, I and D; its gaps stand as far left as the score allows.
    """

    score: int
    cigar: str


def align(
    queries: Sequence[str], targets: Sequence[str], *, slack: int, scores: Scores = HAPLOTYPE_SCORES
) -> list[Alignment]:
    """Align queries to targets, one by one, each from end to end.

    Args:
        queries: ASCII bases.
        targets: as many.
        slack: how many bases beside the diagonals of its two ends an alignment may stray.
        scores: what it is worth.

    Raises:
        ValueError: the numbers differ, or slack is negative.
    """
    if slack < 0:
        raise ValueError(f"a slack of {slack} bases")
    if len(queries) != len(targets):
        raise ValueError(f"{len(queries)} queries and {len(targets)} targets")
    index = np.arange(len(queries), dtype=np.int32)
    found, cigars = _twin.align(
        *_flat(queries),
        *_flat(targets),
        index,
        index,
        slack,
        (scores.match, scores.mismatch, scores.open, scores.extend),
    )
    return [Alignment(score=score, cigar=cigar) for score, cigar in zip(found.tolist(), cigars, strict=True)]


def _flat(items: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.cumsum([0, *map(len, items)], dtype=np.int32)
    return offsets, np.frombuffer("".join(items).encode("ascii"), np.uint8)
