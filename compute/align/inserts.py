"""Insert sizes of a library, from its own pairs."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# Pairs are taken where both reads map at least this well, and no farther apart than this.
_MIN_MAPQ = 20
_MAX_INSERT = 10_000
# bwa mem's rule (mem_pestat): quartiles, then mean and deviation within 2 interquartile ranges of them, then
# bounds 3 interquartile ranges or 4 standard deviations out, whichever is wider; at least 10 pairs.
_MIN_PAIRS = 10
_OUTLIER_RANGES = 2.0
_BOUND_RANGES = 3.0
_BOUND_DEVIATIONS = 4.0
# minimap2's longest fragment in its short-read preset, for libraries with too few pairs to tell.
_UNKNOWN_HIGH = 800


@dataclass(frozen=True, slots=True, kw_only=True)
class InsertRange:
    """Bounds, both included, on the insert size in bases of a proper pair."""

    low: int
    high: int


def observed_inserts(hits: dict[str, np.ndarray], first_rows: np.ndarray) -> np.ndarray:
    """Insert sizes of the pairs in a batch that tell them surely.

    Args:
        hits: of `Mapper.map`.
        first_rows: of the batch's templates.

    Returns:
        int64, from the forward read's first base to the reverse read's last, of pairs whose two reads have one hit
        each, on opposite strands of the same contig, well mapped.
    """
    rows = int(first_rows[-1])
    count = np.bincount(hits["read"], minlength=rows)
    hit_of = np.full(rows, -1)
    hit_of[hits["read"]] = np.arange(len(hits["read"]))
    first = first_rows[:-1][np.diff(first_rows) == 2]
    first = first[(count[first] == 1) & (count[first + 1] == 1)]
    a, b = hit_of[first], hit_of[first + 1]
    sure = (
        (hits["contig"][a] == hits["contig"][b])
        & (hits["reverse"][a] != hits["reverse"][b])
        & (np.minimum(hits["mapq"][a], hits["mapq"][b]) >= _MIN_MAPQ)
    )
    a, b = a[sure], b[sure]
    forward, backward = np.where(hits["reverse"][a], b, a), np.where(hits["reverse"][a], a, b)
    inserts = hits["start"][backward] + _reference_bases(hits)[backward] - hits["start"][forward]
    return inserts[(inserts > 0) & (inserts <= _MAX_INSERT)]


def proper_range(observed: Iterable[np.ndarray]) -> InsertRange:
    """The range of a proper pair's insert size, from the batches' `observed_inserts`."""
    inserts = np.concatenate([np.zeros(0, np.int64), *observed])
    if len(inserts) < _MIN_PAIRS:
        return InsertRange(low=1, high=_UNKNOWN_HIGH)
    low, high = np.percentile(inserts, (25, 75))
    spread = high - low
    inner = inserts[
        (inserts >= low - _OUTLIER_RANGES * spread) & (inserts <= high + _OUTLIER_RANGES * spread)
    ]
    mean, deviation = inner.mean(), inner.std()
    return InsertRange(
        low=max(1, int(min(low - _BOUND_RANGES * spread, mean - _BOUND_DEVIATIONS * deviation))),
        high=int(np.ceil(max(high + _BOUND_RANGES * spread, mean + _BOUND_DEVIATIONS * deviation))),
    )


def _reference_bases(hits: dict[str, np.ndarray]) -> np.ndarray:
    """int64 bases of the reference under every hit: operations M (0) and D (2)."""
    operation = hits["cigar"] & 0xF
    bases = np.where((operation == 0) | (operation == 2), hits["cigar"] >> 4, 0)
    total = np.append(0, np.cumsum(bases, dtype=np.int64))
    return total[hits["cigar_offsets"][1:]] - total[hits["cigar_offsets"][:-1]]
