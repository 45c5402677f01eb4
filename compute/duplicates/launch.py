"""Duplicate marking on a GPU: keys of records, and the candidates of a partition sorted and marked.

What is not there: optical duplicates, and fragments beside pairs; `_twin.decide` has them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from baselake.compute.device import Gpu, Work, in_batches
from baselake.compute.duplicates import _twin

THREADS = 128
"""Of a block; as `kernel.cu` has it."""

Text = tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Mapped records.

    Attributes:
        flag: int32, SAM FLAG.
        contig: int32, number of the contig in the reference, from 0.
        start: int32, 0-based.
        cigar: offsets and bytes of SAM text.
        qual: offsets and bytes of SAM text.
    """

    flag: npt.NDArray[np.int32]
    contig: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    cigar: Text
    qual: Text


def cpu_keys(records: Records) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32]]:
    """Each record's end ((contig + 1) << 34 | (5' position + 2^31) << 1 | reverse) and score, by the CPU."""
    return _twin.keys(records.flag, records.contig, records.start, records.cigar, records.qual)


def gpu_keys(gpu: Gpu, records: Records) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32]]:
    """What `cpu_keys` gives, computed on a GPU.

    Raises:
        DeviceLostError: the device fails.
    """
    count = len(records.flag)
    ends, scores = np.zeros(count, np.uint64), np.zeros(count, np.uint32)

    def start(work: Work, first: int, end: int) -> Callable[[], None]:
        columns = [work.put(column[first:end]) for column in (records.flag, records.contig, records.start)]
        for offsets, text in (records.cigar, records.qual):
            cut = offsets[first : end + 1]
            columns += [work.put(cut - cut[0]), work.put(text[cut[0] : cut[-1]])]
        out = work.empty(end - first, np.uint64), work.empty(end - first, np.uint32)
        blocks = -(-(end - first) * 32 // THREADS)
        kernel = gpu.kernel("duplicates", "duplicates_keys")
        work.run(kernel, blocks, THREADS, *columns, np.int32(end - first), *out)
        found = [work.take(array) for array in out]

        def take() -> None:
            ends[first:end], scores[first:end] = found

        return take

    in_batches(gpu, 32 + np.diff(records.cigar[0]) + np.diff(records.qual[0]), start)
    return ends, scores


def gpu_marks(
    gpu: Gpu,
    library: npt.NDArray[np.uint64],
    first: npt.NDArray[np.uint64],
    second: npt.NDArray[np.uint64],
    score: npt.NDArray[np.uint32],
) -> npt.NDArray[np.uint8]:
    """Which candidates are duplicates of another of the same library and ends.

    The one kept has the greatest score; among equals the one that comes first. All are sorted at once, since duplicates
    may stand anywhere: callers bound a partition, as `DuplicateMarker` does.

    Returns:
        uint8 by candidate: 1 a duplicate.

    Raises:
        DeviceLostError: the device fails, or has not the memory for them.
    """
    marks = np.zeros(len(score), np.uint8)

    def start(work: Work, _: int, __: int) -> Callable[[], None]:
        lower = np.uint64(0xFFFFFFFF) - score.astype(np.uint64)
        ends = [work.put(column) for column in (second, first, library)]
        order = work.order(work.put(np.concatenate((lower, second, first, library))), 4)
        out = work.empty(len(score), np.uint8)
        kernel = gpu.kernel("duplicates", "duplicates_marks")
        work.run(kernel, -(-len(score) // THREADS), THREADS, order, *ends, np.int32(len(score)), out)
        found = work.take(out)

        def take() -> None:
            marks[:] = found

        return take

    if len(score):
        in_batches(gpu, [len(score) * 100], start)
    return marks
