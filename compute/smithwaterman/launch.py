"""The banded alignment on a GPU: batches of pairs, and the tile for each pair's band."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from baselake.compute.device import Gpu, Work, in_batches
from baselake.compute.smithwaterman import HAPLOTYPE_SCORES, Scores, _twin

THREADS = 128
"""Of a block; as `kernel.cu` has it."""

TILES = ((8, 8), (8, 16), (8, 32), (16, 32), (32, 32))
"""Columns a lane computes, and lanes of a pair: bands of up to 64, 128, 256, 512 and 1024 columns."""

_CAPACITY = np.array([columns * group for columns, group in TILES])
_PAIR_BYTES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Queries, targets, and which of them are to be aligned.

    Attributes:
        query_offsets: int32; query i is [offsets[i], offsets[i + 1]) of `query_bases`.
        query_bases: uint8 ASCII.
        target_offsets: int32, likewise.
        target_bases: uint8 ASCII.
        query: int32, of each pair, which query.
        target: int32, of each pair, which target.
    """

    query_offsets: npt.NDArray[np.int32]
    query_bases: npt.NDArray[np.uint8]
    target_offsets: npt.NDArray[np.int32]
    target_bases: npt.NDArray[np.uint8]
    query: npt.NDArray[np.int32]
    target: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """Alignments as flat arrays.

    Attributes:
        scores: int32 by pair.
        offsets: int32; the operations of pair i are [offsets[i], offsets[i + 1]) of `ops`.
        ops: int32, from the first to the last: length x 4, and below it M 0, I 1 or D 2.
    """

    scores: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int32]
    ops: npt.NDArray[np.int32]


def cpu_align(pairs: Pairs, *, slack: int, scores: Scores = HAPLOTYPE_SCORES) -> Aligned:
    """The alignments by the CPU's kernel."""
    found, offsets, ops = _twin.align_flat(
        pairs.query_offsets,
        pairs.query_bases,
        pairs.target_offsets,
        pairs.target_bases,
        pairs.query,
        pairs.target,
        slack,
        _as_tuple(scores),
    )
    return Aligned(scores=found, offsets=offsets, ops=ops)


def gpu_align(gpu: Gpu, pairs: Pairs, *, slack: int, scores: Scores = HAPLOTYPE_SCORES) -> Aligned:
    """What `cpu_align` gives, computed on a GPU; bands wider than 1024 columns are computed on the CPU.

    Raises:
        DeviceLostError: the device fails.
    """
    n = np.diff(pairs.query_offsets)[pairs.query]
    m = np.diff(pairs.target_offsets)[pairs.target]
    tile = np.searchsorted(_CAPACITY, np.abs(m - n) + 2 * slack + 1)
    found = np.zeros(len(n), np.int32)
    counts = np.zeros(len(n), np.int32)
    parts: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.int32], npt.NDArray[np.int32]]] = []
    wide = np.flatnonzero(tile == len(TILES))
    if len(wide):
        some = _some(pairs, wide)
        by_cpu = cpu_align(some, slack=slack, scores=scores)
        found[wide], counts[wide] = by_cpu.scores, np.diff(by_cpu.offsets)
        parts.append((wide, by_cpu.offsets[:-1], by_cpu.ops))
    todo = np.flatnonzero(tile < len(TILES))

    def start(work: Work, first: int, end: int) -> Callable[[], None]:
        which = todo[first:end]
        given, op_offsets, ops, op_counts = _launch(
            gpu, work, _some(pairs, which), tile[which], slack, scores
        )

        def take() -> None:
            found[which], counts[which] = given, op_counts
            # The device writes from the last operation to the first, each pair in room of its own.
            places = _ragged(op_offsets, op_counts, backwards=True)
            packed = np.concatenate(([0], np.cumsum(op_counts)[:-1])).astype(np.int32)
            parts.append((which, packed, ops[places]))

        return take

    room = (n[todo] + _CAPACITY[tile[todo]] // 2) * (_CAPACITY[tile[todo]] // 2)
    in_batches(gpu, room + 5 * (n + m)[todo] + _PAIR_BYTES, start)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    ops = np.zeros(int(offsets[-1]), np.int32)
    for which, begins, values in parts:
        ops[_ragged(offsets[which], counts[which])] = values[_ragged(begins, counts[which])]
    return Aligned(scores=found, offsets=offsets, ops=ops)


def _launch(
    gpu: Gpu, work: Work, pairs: Pairs, tile: npt.NDArray[np.intp], slack: int, scores: Scores
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Puts a batch to work: scores, room of each pair's operations, these, and how many there are."""
    n = np.diff(pairs.query_offsets)[pairs.query]
    m = np.diff(pairs.target_offsets)[pairs.target]
    depth = _CAPACITY[tile] // 2
    move_offsets = np.concatenate(([0], np.cumsum((n + depth).astype(np.int64) * depth)))
    op_offsets = np.concatenate(([0], np.cumsum(n + m))).astype(np.int32)
    sequences = [work.put(getattr(pairs, field.name)) for field in fields(pairs)]
    moves = work.empty(int(move_offsets[-1]), np.uint8)
    places = (work.put(move_offsets), moves, work.put(op_offsets))
    ops = work.empty(max(1, int(op_offsets[-1])), np.int32)
    op_counts, found = work.empty(len(n), np.int32), work.empty(len(n), np.int32)
    numbers = [np.int32(value) for value in (slack, *_as_tuple(scores))]
    order = np.lexsort((n, tile)).astype(np.int32)
    ends = np.searchsorted(tile[order], np.arange(len(TILES) + 1))
    for (columns, group), first, end in zip(TILES, ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        if first < end:
            kernel = gpu.kernel("smithwaterman", f"smithwaterman_{columns}_{group}")
            which = (work.put(order[first:end]), np.int32(end - first))
            blocks = -(-(end - first) * group // THREADS)
            work.run(kernel, blocks, THREADS, *sequences, *numbers, *which, *places, ops, op_counts, found)
    return work.take(found), op_offsets[:-1], work.take(ops), work.take(op_counts)


def _some(pairs: Pairs, which: npt.NDArray[np.intp]) -> Pairs:
    """Some pairs, with the sequences between the first and the last that they name."""
    query, target = pairs.query[which], pairs.target[which]
    a, b = int(query.min()), int(query.max()) + 1
    c, d = int(target.min()), int(target.max()) + 1
    queries, targets = pairs.query_offsets[a : b + 1], pairs.target_offsets[c : d + 1]
    return Pairs(
        query_offsets=queries - queries[0],
        query_bases=pairs.query_bases[queries[0] : queries[-1]],
        target_offsets=targets - targets[0],
        target_bases=pairs.target_bases[targets[0] : targets[-1]],
        query=query - np.int32(a),
        target=target - np.int32(c),
    )


def _ragged(
    begins: npt.NDArray[np.int32], counts: npt.NDArray[np.int32], *, backwards: bool = False
) -> npt.NDArray[np.int64]:
    """The places begin, begin + 1, ... of each item one after another; backwards: from its last to its begin."""
    total = np.cumsum(counts, dtype=np.int64)
    within = np.arange(int(total[-1]) if len(total) else 0) - np.repeat(total - counts, counts)
    if backwards:
        within = np.repeat(counts, counts) - 1 - within
    return np.repeat(begins, counts) + within


def _as_tuple(scores: Scores) -> tuple[int, int, int, int]:
    return scores.match, scores.mismatch, scores.open, scores.extend
