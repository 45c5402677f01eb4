"""The PairHMM on a GPU: batches of pairs, the tile for each pair's band, the second pass in float64."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from baselake.compute.device import Gpu, Work, in_batches
from baselake.compute.pairhmm import _twin, costs
from baselake.compute.pairhmm.layout import Haplotypes, Pairs, Reads

THREADS = 128
"""Of a block; as `kernel.cu` has it."""

COLUMNS = 8
"""Of the band, that a lane computes; as `kernel.cu` has it."""

GROUPS = (2, 4, 8, 16, 32)
"""Lanes that may share a pair: bands of up to 16, 32, 64, 128 and 256 columns."""

# A pair's numbers and its sum; a base of a read and of a haplotype, with what is made of it in float64.
_PAIR_BYTES, _READ_BYTES, _HAPLOTYPE_BYTES = 36, 34, 35


@dataclass(frozen=True, slots=True, kw_only=True)
class _Precision:
    """One of the two passes.

    Attributes:
        name: as its kernels are named.
        base_bytes: of what is made of one base of a haplotype, or of a read.
    """

    name: str
    base_bytes: int


_SINGLE, _DOUBLE = _Precision(name="float", base_bytes=16), _Precision(name="double", base_bytes=32)


def gpu_costs(gpu: Gpu, reads: Reads, haplotypes: Haplotypes, pairs: Pairs) -> npt.NDArray[np.float32]:
    """What `costs` gives, computed on a GPU; bands wider than 256 columns are computed on the CPU.

    Pairs are taken in the order given and cut into batches, so those of the same reads and haplotypes should stand
    together.

    Raises:
        DeviceLostError: the device fails.
    """
    out = np.zeros(len(pairs.read), np.float32)
    length = np.diff(reads.offsets)[pairs.read]
    width = pairs.left + pairs.right + 1
    wide = width > COLUMNS * GROUPS[-1]
    for left, right in np.unique(np.stack((pairs.left[wide], pairs.right[wide])), axis=1).T.tolist():
        which = np.flatnonzero(wide & (pairs.left == left) & (pairs.right == right))
        some = pairs.some(which)
        out[which] = costs(
            reads, haplotypes, some.read, some.haplotype, some.diagonal, left=left, right=right
        )
    todo = np.flatnonzero(~wide & (length > 0))
    for precision, costs_of in ((_SINGLE, _twin.costs_of_float), (_DOUBLE, _twin.costs_of_double)):
        if len(todo):
            found, weak = costs_of(_sums(gpu, precision, reads, haplotypes, pairs.some(todo)))
            out[todo] = found
            todo = todo[weak]
    return out


def _sums(
    gpu: Gpu, precision: _Precision, reads: Reads, haplotypes: Haplotypes, pairs: Pairs
) -> npt.NDArray[np.float64]:
    """The scaled likelihood of every pair."""
    out = np.zeros(len(pairs.read), np.float64)

    def start(work: Work, first: int, end: int) -> Callable[[], None]:
        some = pairs.some(slice(first, end))
        sums = _launch(gpu, work, precision, reads, haplotypes, some)

        def take() -> None:
            out[first:end] = sums

        return take

    # A batch carries each of its reads and haplotypes once: where it comes first, it is counted.
    sizes = np.full(len(pairs.read), _PAIR_BYTES, np.int64)
    for which, offsets, of_base in (
        (pairs.read, reads.offsets, _READ_BYTES),
        (pairs.haplotype, haplotypes.offsets, _HAPLOTYPE_BYTES),
    ):
        fresh = np.unique(which, return_index=True)[1]
        sizes[fresh] += of_base * np.diff(offsets)[which[fresh]]
    in_batches(gpu, sizes, start)
    return out


def _launch(
    gpu: Gpu, work: Work, precision: _Precision, reads: Reads, haplotypes: Haplotypes, pairs: Pairs
) -> npt.NDArray[np.float64]:
    """Puts a batch to work; the sums are there when it is done."""
    read_offsets, (bases, quality), read = _subset(reads.offsets, (reads.bases, reads.quality), pairs.read)
    offsets, columns, haplotype = _subset(
        haplotypes.offsets, (haplotypes.bases, haplotypes.insertion, haplotypes.deletion), pairs.haplotype
    )
    error = work.put(_twin.error_rates())
    haplotype_offsets = work.put(offsets)
    sites = work.empty((int(offsets[-1]) + len(offsets) - 1) * precision.base_bytes, np.uint8)
    work.run(
        gpu.kernel("pairhmm", f"pairhmm_sites_{precision.name}"),
        len(offsets) - 1,
        THREADS,
        haplotype_offsets,
        *(work.put(column) for column in columns),
        error,
        sites,
    )
    rows = work.empty(len(bases) * precision.base_bytes, np.uint8)
    work.run(
        gpu.kernel("pairhmm", f"pairhmm_rows_{precision.name}"),
        -(-len(bases) // THREADS),
        THREADS,
        work.put(bases),
        work.put(quality),
        np.int32(len(bases)),
        error,
        rows,
    )
    sums = work.empty(len(pairs.read), np.float64)
    shared = [
        work.put(read_offsets),
        rows,
        haplotype_offsets,
        sites,
        error,
        *(work.put(array) for array in (read, haplotype, pairs.diagonal, pairs.left, pairs.right)),
    ]
    length = np.diff(read_offsets)[read]
    columns_of = pairs.left + pairs.right + 1
    tile = np.searchsorted(COLUMNS * np.array(GROUPS), columns_of)
    # Groups of a warp take as many steps as the longest of them: those of like length go together.
    order = np.lexsort((length, tile)).astype(np.int32)
    ends = np.searchsorted(tile[order], np.arange(len(GROUPS) + 1))
    for group, first, end in zip(GROUPS, ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        if first < end:
            blocks = -(-(end - first) * group // THREADS)
            kernel = gpu.kernel("pairhmm", f"pairhmm_{precision.name}_{group}")
            which = work.put(order[first:end])
            work.run(kernel, blocks, THREADS, *shared, which, np.int32(end - first), sums)
    return work.take(sums)


def _subset(
    offsets: npt.NDArray[np.int32], columns: tuple[npt.NDArray[np.uint8], ...], which: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], tuple[npt.NDArray[np.uint8], ...], npt.NDArray[np.int32]]:
    """The items that are asked for, between the first and the last of them, numbered anew."""
    first, end = int(which.min()), int(which.max()) + 1
    cut = offsets[first : end + 1]
    return cut - cut[0], tuple(column[cut[0] : cut[-1]] for column in columns), which - np.int32(first)
