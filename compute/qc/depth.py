"""Reads over each base of a stretch, and what windows of it show.

As `samtools coverage` and `samtools depth` count: records that are unmapped, secondary, duplicates or that failed the
instrument's filter are left out, deleted and skipped bases are not covered, overlapping mates count twice.
"""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

# samtools coverage, --ff: UNMAP, SECONDARY, QCFAIL, DUP.
_NOT_COUNTED = 0x4 | 0x100 | 0x200 | 0x400
THRESHOLDS = (1, 10, 20, 30)
# Deeper bases are counted with the last.
DEEPEST = 1000
_OPERATION = re.compile(r"(\d+)([MIDNSHP=X])")


def aligned_blocks(cigar: str) -> list[tuple[int, int]]:
    """Stretches of reference bases that a CIGAR lays bases on.

    Args:
        cigar: as in SAM.

    Returns:
        Offset from the record's start, and length, of each run of M, = and X; neighbours are one.

    Raises:
        ValueError: it is no CIGAR.
    """
    if _OPERATION.sub("", cigar):
        raise ValueError(f"no CIGAR: {cigar!r}")
    blocks: list[tuple[int, int]] = []
    at = 0
    for length, operation in ((int(number), kind) for number, kind in _OPERATION.findall(cigar)):
        if operation in "M=X":
            if blocks and sum(blocks[-1]) == at:
                blocks[-1] = (blocks[-1][0], blocks[-1][1] + length)
            else:
                blocks.append((at, length))
        if operation in "M=XDN":
            at += length
    return blocks


def add_changes(changes: np.ndarray, first: int, alignments: pa.RecordBatch) -> None:
    """Add alignments to the changes of depth from base to base of a stretch; `depth_of` makes depths of them.

    Args:
        changes: int32, one longer than the stretch; changed in place.
        first: the stretch's first base, 0-based.
        alignments: start int32, flag int32, cigar string, of one contig; those elsewhere add nothing.
    """
    size = len(changes) - 1
    flags = alignments["flag"].to_numpy(zero_copy_only=False)
    cigars = alignments["cigar"].dictionary_encode()
    codes = cigars.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    counted = ((flags & _NOT_COUNTED) == 0) & (codes >= 0)
    starts = alignments["start"].to_numpy(zero_copy_only=False)[counted].astype(np.int64)
    codes = codes[counted]
    # Each CIGAR is read once, however many records have it.
    known = [aligned_blocks(text) for text in cigars.dictionary.to_pylist()]
    numbers = np.array([len(blocks) for blocks in known], np.int64)
    flat = np.array([block for blocks in known for block in blocks], np.int64).reshape(-1, 2)
    begins = np.cumsum(numbers) - numbers
    repeats = numbers[codes]
    place = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    rows = np.repeat(begins[codes], repeats) + place
    low = np.repeat(starts, repeats) - first + flat[rows, 0]
    high = np.clip(low + flat[rows, 1], 0, size)
    low = np.clip(low, 0, size)
    changes += np.bincount(low, minlength=size + 1).astype(np.int32)
    changes -= np.bincount(high, minlength=size + 1).astype(np.int32)


def depth_of(changes: np.ndarray) -> np.ndarray:
    """Reads over each base: int32, one shorter than `changes`."""
    return np.cumsum(changes[:-1], dtype=np.int32)


def depth_histogram(depths: np.ndarray) -> np.ndarray:
    """Bases by depth: int64, from 0 to `DEEPEST`, where deeper ones are counted too."""
    return np.bincount(np.minimum(depths, DEEPEST), minlength=DEEPEST + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Windows of a stretch, in order.

    Attributes:
        start: first base, 0-based, int32.
        end: the base after the last, int32.
        mean: reads over a base, float32; `meandepth` of samtools coverage.
        shares: by threshold of `THRESHOLDS`, the share of bases that at least so many reads cover, float32.
    """

    start: np.ndarray
    end: np.ndarray
    mean: np.ndarray
    shares: tuple[np.ndarray, ...]


def windows_of(depths: np.ndarray, first: int, size: int) -> Windows:
    """Windows of `size` bases of a stretch that begins at `first`; the last one may be shorter.

    Raises:
        ValueError: the stretch is empty.
    """
    if not len(depths):
        raise ValueError("no bases")
    begins = np.arange(0, len(depths), size)
    ends = np.minimum(begins + size, len(depths))
    lengths = ends - begins
    return Windows(
        start=(first + begins).astype(np.int32),
        end=(first + ends).astype(np.int32),
        mean=(np.add.reduceat(depths, begins, dtype=np.int64) / lengths).astype(np.float32),
        shares=tuple(
            (np.add.reduceat(depths >= least, begins, dtype=np.int64) / lengths).astype(np.float32)
            for least in THRESHOLDS
        ),
    )


def coverage_metrics(histogram: np.ndarray, total: int) -> dict[str, float]:
    """Coverage of all bases that a depth histogram counts.

    Args:
        histogram: as `depth_histogram`.
        total: sum of the depths, which the histogram's last bin does not tell.

    Returns:
        `mean_coverage` (meandepth of samtools coverage), `mean_coverage_covered` (of the bases with a read),
        `median_coverage_covered`, and `covered_N` for each threshold: the share of bases with at least N reads (1: the
        `coverage` of samtools coverage, as a share).
    """
    bases = int(histogram.sum())
    if not bases:
        return {}
    found = {"mean_coverage": total / bases}
    covered = int(histogram[1:].sum())
    if covered:
        middle = np.searchsorted(np.cumsum(histogram[1:]), (covered + 1) // 2)
        found["mean_coverage_covered"] = total / covered
        found["median_coverage_covered"] = float(middle + 1)
    found |= {f"covered_{least}": int(histogram[least:].sum()) / bases for least in THRESHOLDS}
    return found
