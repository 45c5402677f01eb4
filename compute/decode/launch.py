"""Byte streams and bases of coded columns on a GPU, where a caller that lives there wants them.

Qualities are one byte stream a block, of eight coders: eight lanes. The tables of a stream are read out of its head by
the CPU, which is a thousandth of it.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

import baselake.lake.columns._entropy as _entropy
from baselake.compute.device import Gpu, Work, in_batches

THREADS = 128
"""Of a block; as `kernel.cu` has it."""

Bytes = npt.NDArray[np.uint8]

_STREAMS, _BLOCKS = THREADS // 8, THREADS // 32  # of a block of threads
_FAULTS = {1: "a context that has no frequencies", 2: "coded words end early"}


def cpu_unpack_bytes(streams: Sequence[bytes]) -> list[Bytes]:
    """What byte streams (`lake/columns/entropy.h`) hold, decoded by the CPU.

    Raises:
        ValueError: one is damaged.
    """
    return [np.frombuffer(_entropy.unpack_bytes(stream), np.uint8) for stream in streams]


def gpu_unpack_bytes(gpu: Gpu, streams: Sequence[bytes]) -> list[Bytes]:
    """What `cpu_unpack_bytes` gives, decoded on a GPU; those that are not entropy-coded are the CPU's.

    Raises:
        DeviceLostError: the device fails.
        ValueError: a stream is damaged.
    """
    out: list[Bytes] = [np.empty(0, np.uint8)] * len(streams)
    coded = []
    for number, stream in enumerate(streams):
        parts = _entropy.coded_parts(stream)
        if parts is None:
            (out[number],) = cpu_unpack_bytes([stream])
        else:
            coded.append((number, stream, parts))

    def start(work: Work, first: int, end: int) -> Callable[[], None]:
        some = coded[first:end]
        joined, length, symbols, bits, order, shift, tables, starts, head = zip(
            *(parts for _, _, parts in some), strict=True
        )
        sizes = np.array(length, np.int64)
        count = np.where(joined, (sizes + 1) // 2, sizes)
        words = [
            np.frombuffer(stream, np.uint16, (len(stream) - at) // 2, at)
            for (_, stream, _), at in zip(some, head, strict=True)
        ]
        shapes = np.stack(
            [count, bits, order, shift, _sizes(words), sizes, joined, _places(tables)[:-1]], axis=1
        )
        ends = np.concatenate(([0], np.cumsum(sizes)))
        firsts = [_places(starts)[:-1], _places(words)[:-1], 256 * np.arange(len(some)), ends[:-1]]
        bytes_, wrong = work.empty(int(ends[-1]), np.uint8), work.empty(len(some), np.int32)
        work.run(
            gpu.kernel("decode", "decode_streams"),
            -(-len(some) // _STREAMS),
            THREADS,
            work.put(shapes.astype(np.int32).ravel()),
            work.put(np.stack(firsts, axis=1).astype(np.int64).ravel()),
            work.put(np.concatenate(tables)),
            work.put(np.concatenate(starts)),
            work.put(np.concatenate(words)),
            work.put(np.frombuffer(b"".join(symbols), np.uint8)),
            np.int32(len(some)),
            bytes_,
            wrong,
        )
        found, faults = work.take(bytes_), work.take(wrong)

        def take() -> None:
            if (bad := faults[faults != 0]).size:
                raise ValueError(_FAULTS[int(bad[0])])
            for (number, _, _), one in zip(some, np.split(found, ends[1:-1]), strict=True):
                out[number] = one.copy()

        return take

    in_batches(
        gpu,
        [parts[1] + len(stream) + 4 * parts[6].size + 2 * parts[7].size for _, stream, parts in coded],
        start,
    )
    return out


def cpu_unpack_bases(blocks: Sequence[bytes]) -> list[Bytes]:
    """Bases as text (`lake/columns/bases.h`), decoded by the CPU.

    Raises:
        ValueError: a block is damaged.
    """
    return [np.frombuffer(_entropy.unpack_bases(block), np.uint8) for block in blocks]


def gpu_unpack_bases(gpu: Gpu, blocks: Sequence[bytes]) -> list[Bytes]:
    """What `cpu_unpack_bases` gives, decoded on a GPU.

    Raises:
        DeviceLostError: the device fails.
        ValueError: a block is damaged.
    """
    parts = [_entropy.bases_parts(block) for block in blocks]
    out: list[Bytes] = [np.empty(0, np.uint8)] * len(blocks)

    def start(work: Work, first: int, end: int) -> Callable[[], None]:
        length, head, places, others = zip(*parts[first:end], strict=True)
        sizes = np.array(length, np.int64)
        packed = [
            np.frombuffer(block, np.uint8, (n + 3) // 4, at)
            for block, n, at in zip(blocks[first:end], length, head, strict=True)
        ]
        ends = 4 * _places(packed)
        text = work.empty(int(ends[-1]), np.uint8)
        work.run(
            gpu.kernel("decode", "decode_bases"),
            -(-(end - first) // _BLOCKS),
            THREADS,
            work.put(np.stack([_places(packed), ends, _places(places)], axis=1).ravel()),
            work.put(np.concatenate(packed)),
            work.put(np.concatenate(places)),
            work.put(np.frombuffer(b"".join(others), np.uint8)),
            np.int32(end - first),
            text,
        )
        found = work.take(text)

        def take() -> None:
            for number, (begin, size) in enumerate(
                zip(ends[:-1].tolist(), sizes.tolist(), strict=True), first
            ):
                out[number] = found[begin : begin + size].copy()

        return take

    in_batches(gpu, [2 * one[0] + 9 * len(one[3]) for one in parts], start)
    return out


def _sizes(arrays: Sequence[npt.NDArray]) -> npt.NDArray[np.int64]:
    return np.array([len(array) for array in arrays], np.int64)


def _places(arrays: Sequence[npt.NDArray]) -> npt.NDArray[np.int64]:
    """Where each begins when they stand one after the other, and where the last ends."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(_sizes(arrays))))
