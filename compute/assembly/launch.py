"""Tables of k-mers on a GPU: how often reads of each region go from one k-mer to the next."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from baselake.compute.assembly import _twin
from baselake.compute.device import Gpu, Work, in_batches
from baselake.compute.pairhmm.layout import Reads

THREADS = 128
"""Of a block; as `kernel.cu` has it."""

MAX_K = 63
"""Two bits a base in two words, with the base that follows."""

# Three words of a key, their sorted order and the sort's own copies.
_BASE_BYTES = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Edges of de Bruijn graphs, sorted by region, `high` and `low`.

    Attributes:
        region: int32, which region.
        high: uint64, the first bases of the (k + 1)-mer, two bits each (A 0, C 1, G 2, T 3), but for the last 32.
        low: uint64, its last 32 bases.
        count: int32, how often reads have it, whose bases are all A, C, G or T of the least quality.
    """

    region: npt.NDArray[np.int32]
    high: npt.NDArray[np.uint64]
    low: npt.NDArray[np.uint64]
    count: npt.NDArray[np.int32]


def cpu_edges(reads: Reads, regions: npt.NDArray[np.int32], *, k: int, least_quality: int) -> Edges:
    """The edges that the CPU's graphs have, region by region; arguments as of `gpu_edges`."""
    parts: list[tuple[npt.NDArray, ...]] = []
    for region in range(len(regions) - 1):
        first, end = int(regions[region]), int(regions[region + 1])
        offsets = reads.offsets[first : end + 1]
        bases = slice(int(offsets[0]), int(offsets[-1]))
        given = (offsets - offsets[0], reads.bases[bases], reads.quality[bases])
        high, low, count = _twin.edges(k, *given, least_quality)
        order = np.lexsort((low, high))
        parts.append((np.full(len(count), region, np.int32), high[order], low[order], count[order]))
    return _joined(parts)


def gpu_edges(gpu: Gpu, reads: Reads, regions: npt.NDArray[np.int32], *, k: int, least_quality: int) -> Edges:
    """How often reads have each (k + 1)-mer.

    Args:
        gpu: where.
        reads: of one region after another.
        regions: int32; region i has reads [regions[i], regions[i + 1]).
        k: bases of a node, from 1 to `MAX_K`.
        least_quality: a base under this phred quality breaks a read.

    Raises:
        ValueError: k is out of bounds.
        DeviceLostError: the device fails.
    """
    if not 1 <= k <= MAX_K:
        raise ValueError(f"k-mers of {k} bases")
    parts: list[tuple[npt.NDArray, ...]] = []

    def start(work: Work, first: int, end: int) -> Callable[[], None]:
        own = slice(int(regions[first]), int(regions[end]) + 1)
        offsets = reads.offsets[own]
        bases = slice(int(offsets[0]), int(offsets[-1]))
        lengths = np.diff(offsets)
        count = int(lengths.sum())
        if not count:
            return lambda: None
        of_read = np.repeat(np.arange(first, end, dtype=np.int32), np.diff(regions[first : end + 1]))
        keys = work.empty(3 * count, np.uint64)
        blocks = -(-count // THREADS)
        work.run(
            gpu.kernel("assembly", "assembly_kmers"),
            blocks,
            THREADS,
            work.put(reads.bases[bases]),
            work.put(reads.quality[bases]),
            work.put(np.repeat(offsets[:-1] - offsets[0], lengths)),
            work.put(np.repeat(of_read, lengths)),
            np.int32(count),
            np.int32(k + 1),
            np.int32(least_quality),
            keys,
        )
        order = work.order(keys, 3)
        heads = work.empty(count, np.uint8)
        work.run(
            gpu.kernel("assembly", "assembly_heads"), blocks, THREADS, order, keys, np.int32(count), heads
        )
        found = [work.take(array) for array in (keys, order, heads)]

        def take() -> None:
            low, high, region = found[0].reshape(3, -1)
            begins = np.flatnonzero(found[2])
            # What is no k-mer is sorted behind.
            known = int(np.count_nonzero(region != np.iinfo(np.uint64).max))
            places = found[1][begins]
            counts = np.diff(np.append(begins, known)).astype(np.int32)
            parts.append((region[places].astype(np.int32), high[places], low[places], counts))

        return take

    of_region = (
        np.diff(reads.offsets[regions].astype(np.int64)) if len(regions) > 1 else np.zeros(0, np.int64)
    )
    in_batches(gpu, _BASE_BYTES * of_region, start)
    return _joined(parts)


def _joined(parts: list[tuple[npt.NDArray, ...]]) -> Edges:
    kinds = (np.int32, np.uint64, np.uint64, np.int32)
    columns = list(zip(*parts, strict=True)) or [()] * len(kinds)
    region, high, low, count = (
        np.concatenate([np.empty(0, kind), *column]).astype(kind, copy=False)
        for kind, column in zip(kinds, columns, strict=True)
    )
    return Edges(region=region, high=high, low=low, count=count)
