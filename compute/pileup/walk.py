"""The walk along reads on a GPU: what a lake stores of them becomes reads, mates that overlap count once, and depths
and every base that differs from the reference are found. Bases and qualities stay there but for those asked for.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from baselake.compute.device import Gpu, Work
from baselake.compute.pileup.launch import THREADS
from baselake.compute.pileup.resident import DeviceAlignments


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPlaces:
    """Usable reads, sorted by start, and the reference they lie on.

    Attributes:
        start: int32, 0-based, of the aligned bases.
        end: int32.
        fragment: int32, the first read of the same template.
        offsets: int32 [reads + 1], bases of each in `Walk`'s arrays.
        reference: uint8, A, C, G, T or N, from `begin`; it holds every read whole.
        begin: its first base, 0-based.
    """

    start: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]
    fragment: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int32]
    reference: npt.NDArray[np.uint8]
    begin: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """What reads show.

    Attributes:
        depth: int32 by base of the reference: fragments over it, overlapping mates once.
        informative: int32 by base of the reference: aligned bases whose quality is not 0.
        numbers: int32 by read: bases that differ.
        position: int32, 0-based, of each base that differs, read by read and along each.
        base: uint8 ASCII, what the read has there.
        quality: uint8 phred of it.
    """

    depth: npt.NDArray[np.int32]
    informative: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.int32]
    position: npt.NDArray[np.int32]
    base: npt.NDArray[np.uint8]
    quality: npt.NDArray[np.uint8]


Ops = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]
"""Offsets by read and int32 operations: length x 4, and below it M 0, I or S 1, D or N 2."""

Texts = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
"""Bases, ASCII, and qualities, phred (0: it says nothing), of reads one after the other."""


class Walk:
    """Reads of a part of a contig on a device, on one stream; steps are done in order.

    Args:
        gpu: the device.
        work: the stream.
        reads: where they lie.
        bases: uint8 on the device, read after read; left as it is where `unfold` writes it.
        quality: likewise, phred; 0: it says nothing.
    """

    def __init__(self, gpu: Gpu, work: Work, reads: ReadPlaces, bases: Any, quality: Any) -> None:
        self._gpu, self._work, self._reads = gpu, work, reads
        self._bases, self._quality = bases, quality
        self._start, self._offsets = work.put(reads.start), work.put(reads.offsets)

    def unfold(
        self, alignments: DeviceAlignments, rows: npt.NDArray[np.int64], ops: Ops
    ) -> npt.NDArray[np.int32]:
        """Writes bases and qualities of rows; gives what is wrong with each, once it is waited for."""
        work, begin, length = self._work, self._reads.begin, len(self._reads.reference)
        contig = alignments.contig[begin : begin + length]
        wrong = work.empty(max(1, len(rows)), np.int32)
        self._run(
            "pileup_unfold",
            len(rows),
            self._start,
            *map(work.put, ops),
            self._offsets,
            work.put(alignments.stored[rows].ravel()),
            work.put(alignments.whole[rows]),
            alignments.kept,
            alignments.places,
            alignments.codes,
            alignments.characters,
            work.put(contig),
            np.int32(begin),
            np.int32(len(rows)),
            self._bases,
            self._quality,
            wrong,
        )
        return work.take(wrong)[: len(rows)]

    def merge(self, first: npt.NDArray, second: npt.NDArray, second_keeps: npt.NDArray, ops: Ops) -> None:
        """Mates that overlap, int32 each: their qualities become those of one reading, on one of the two."""
        put = self._work.put
        mates = (put(column) for column in (first, second, second_keeps))
        places = (self._start, *map(put, ops), self._offsets)
        self._run(
            "pileup_merge", len(first), *mates, *places, self._bases, self._quality, np.int32(len(first))
        )

    def gather(self, which: npt.NDArray[np.int32]) -> Texts:
        """Bases and qualities of some reads, there once they are waited for."""
        work, offsets = self._work, self._reads.offsets
        targets = np.concatenate(([0], np.cumsum(np.diff(offsets)[which]))).astype(np.int32)
        out = [work.empty(max(1, int(targets[-1])), np.uint8) for _ in range(2)]
        places = (work.put(which), self._offsets, work.put(targets))
        self._run(
            "pileup_gather", len(which), *places, self._bases, self._quality, np.int32(len(which)), *out
        )
        bases, quality = (work.take(array)[: int(targets[-1])] for array in out)
        return bases, quality

    def walk(self, ops: Ops, least_quality: int) -> Walked:
        """Depths, and substitutions of at least a quality; insertions and deletions are not looked at. It waits."""
        work, reads = self._work, self._reads
        count, length = len(reads.start), len(reads.reference)
        put_ops = [work.put(array) for array in ops]
        numbers = (np.int32(reads.begin), np.int32(least_quality), np.int32(count))
        shared = (*put_ops, self._offsets, self._bases, self._quality, work.put(reads.reference), *numbers)
        second = (reads.fragment != np.arange(count)).astype(np.int32)
        mates = (work.put(column) for column in (reads.end, reads.end[reads.fragment], second))
        sums = [work.put(np.zeros(length + 1, np.int32)) for _ in range(2)]
        differing = work.empty(max(1, count), np.int32)
        self._run("pileup_count", count, self._start, *mates, *shared, *sums, differing)
        steps, informative, found = (work.take(array) for array in (*sums, differing))
        work.wait()
        ends = np.concatenate(([0], np.cumsum(found[:count])))
        total = int(ends[-1])
        out = [work.empty(max(1, total), kind) for kind in (np.int32, np.uint8, np.uint8)]
        self._run(
            "pileup_differences", count, self._start, *shared, work.put(ends[:-1].astype(np.int32)), *out
        )
        position, base, quality = (work.take(array)[:total] for array in out)
        work.wait()
        return Walked(
            depth=np.cumsum(steps, dtype=np.int32)[:-1],
            informative=informative[:-1].copy(),
            numbers=found[:count].copy(),
            position=position,
            base=base,
            quality=quality,
        )

    def _run(self, name: str, warps: int, *arguments: object) -> None:
        if warps:
            self._work.run(self._gpu.kernel("pileup", name), -(-warps * 32 // THREADS), THREADS, *arguments)
