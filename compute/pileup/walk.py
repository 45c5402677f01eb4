"""The walk along reads on a GPU: depths, and every base that differs from the reference."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from baselake.compute.device import Gpu, Work, in_batches
from baselake.compute.pileup.launch import THREADS

_READ_BYTES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatReads:
    """Usable reads, sorted by start, and the reference they lie on.

    Attributes:
        start: int32, 0-based, of the aligned bases.
        end: int32.
        fragment: int32, the first read of the same template.
        ops: offsets by read and int32 operations: length x 4, and below it M 0, I or S 1, D or N 2.
        bases: offsets by read and ASCII, any case.
        quality: uint8 phred of each base; 0: it says nothing.
        reference: uint8, A, C, G, T or N, from `begin`; it holds every read whole.
        begin: its first base, 0-based.
    """

    start: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]
    fragment: npt.NDArray[np.int32]
    ops: tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]
    bases: tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]
    quality: npt.NDArray[np.uint8]
    reference: npt.NDArray[np.uint8]
    begin: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """What reads show.

    Attributes:
        depth: int32 by base of the reference: fragments over it, overlapping mates once.
        informative: int32 by base of the reference: aligned bases whose quality is not 0.
        position: int32, 0-based, of each base that differs, read by read and along each.
        base: uint8 ASCII, what the read has there.
        quality: uint8 phred of it.
        read: int32, which read.
    """

    depth: npt.NDArray[np.int32]
    informative: npt.NDArray[np.int32]
    position: npt.NDArray[np.int32]
    base: npt.NDArray[np.uint8]
    quality: npt.NDArray[np.uint8]
    read: npt.NDArray[np.int32]


def gpu_walk(gpu: Gpu, reads: FlatReads, *, least_quality: int) -> Walked:
    """Depths, and substitutions of at least a quality; insertions and deletions are not looked at.

    Raises:
        DeviceLostError: the device fails.
    """
    length, count = len(reads.reference), len(reads.start)
    steps, informative = np.zeros(length + 1, np.int32), np.zeros(length + 1, np.int32)
    numbers = np.zeros(count, np.int32)

    def counting(work: Work, first: int, end: int) -> Callable[[], None]:
        start, *arguments = _arguments(work, reads, first, end, least_quality)
        # Of the mate that came before, so that a batch needs no read but its own.
        second = reads.fragment[first:end] != np.arange(first, end)
        mates = (reads.end[first:end], reads.end[reads.fragment[first:end]], second.astype(np.int32))
        sums = [work.put(np.zeros(length + 1, np.int32)) for _ in range(2)]
        differences = work.empty(end - first, np.int32)
        ends = (work.put(column) for column in mates)
        _run(gpu, work, "pileup_count", end - first, start, *ends, *arguments, *sums, differences)
        found = [work.take(array) for array in (*sums, differences)]

        def take() -> None:
            np.add(steps, found[0], out=steps)
            np.add(informative, found[1], out=informative)
            numbers[first:end] = found[2]

        return take

    sizes: npt.NDArray[np.int64] = _READ_BYTES + 2 * np.diff(reads.bases[0]).astype(np.int64)
    if count:
        # A batch has its own copy of the reference's arrays: it shall be worth that.
        sizes[0] += 9 * length
    in_batches(gpu, sizes, counting)
    begins = np.concatenate(([0], np.cumsum(numbers)))
    total = int(begins[-1])
    position, base, quality = np.zeros(total, np.int32), np.zeros(total, np.uint8), np.zeros(total, np.uint8)

    def writing(work: Work, first: int, end: int) -> Callable[[], None]:
        low, high = int(begins[first]), int(begins[end])
        arguments = _arguments(work, reads, first, end, least_quality)
        room = work.put((begins[first:end] - low).astype(np.int32))
        out = [work.empty(max(1, high - low), kind) for kind in (np.int32, np.uint8, np.uint8)]
        _run(gpu, work, "pileup_differences", end - first, *arguments, room, *out)
        found = [work.take(array) for array in out]

        def take() -> None:
            position[low:high], base[low:high], quality[low:high] = (part[: high - low] for part in found)

        return take

    in_batches(gpu, sizes + 6 * numbers, writing)
    return Walked(
        depth=np.cumsum(steps, dtype=np.int32)[:-1],
        informative=informative[:-1],
        position=position,
        base=base,
        quality=quality,
        read=np.repeat(np.arange(count, dtype=np.int32), numbers),
    )


def _arguments(work: Work, reads: FlatReads, first: int, end: int, least_quality: int) -> list[object]:
    """The reads [first, end) as both kernels take them, from their starts to their number."""
    op_offsets, base_offsets = reads.ops[0][first : end + 1], reads.bases[0][first : end + 1]
    bases = slice(int(base_offsets[0]), int(base_offsets[-1]))
    arrays = (
        reads.start[first:end],
        op_offsets - op_offsets[0],
        reads.ops[1][op_offsets[0] : op_offsets[-1]],
        base_offsets - base_offsets[0],
        reads.bases[1][bases],
        reads.quality[bases],
        reads.reference,
    )
    numbers = (reads.begin, least_quality, end - first)
    return [*(work.put(array) for array in arrays), *(np.int32(number) for number in numbers)]


def _run(gpu: Gpu, work: Work, name: str, reads: int, *arguments: object) -> None:
    work.run(gpu.kernel("pileup", name), -(-reads * 32 // THREADS), THREADS, *arguments)
