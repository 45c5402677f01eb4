"""Byte streams and bases of coded columns on a GPU.

Qualities are one byte stream a block, of eight coders: eight lanes. The tables of a stream are read out of its head by
the CPU, which is a thousandth of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

import baselake.lake.columns._entropy as _entropy
from baselake.compute.device import Gpu, Work, in_batches
from baselake.lake.columns.streams import PlacedStream
from baselake.lake.location import reading

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """Byte streams that are being decoded on a stream of a GPU.

    Attributes:
        bytes: uint8 on the device, what the streams hold one after the other.
        ends: int64 [streams + 1], where each begins there, and where the last ends.
    """

    bytes: Any
    ends: npt.NDArray[np.int64]
    _faults: npt.NDArray[np.int32]

    def check(self) -> None:
        """To be asked once the device has done.

        Raises:
            ValueError: a stream is damaged.
        """
        if (bad := self._faults[self._faults != 0]).size:
            raise ValueError(_FAULTS[int(bad[0])])


def decoded_size(stream: bytes | PlacedStream) -> int:
    """How many bytes a stream holds, by its head.

    Raises:
        ValueError: it is damaged.
    """
    return int(_entropy.unpacked_size(_head(stream)))


def stored_size(stream: bytes | PlacedStream) -> int:
    """Bytes of the stream itself."""
    return stream.size if isinstance(stream, PlacedStream) else len(stream)


def _head(stream: bytes | PlacedStream) -> bytes:
    return stream.head if isinstance(stream, PlacedStream) else stream


def start_decoding(gpu: Gpu, work: Work, streams: Sequence[bytes | PlacedStream]) -> Decoding:
    """Puts streams to work; those that are not entropy-coded are the CPU's, whose bytes are copied.

    The words of streams that lie in files are read to the device from there.

    Raises:
        ValueError: the head of a stream is damaged.
        StorageError: a file cannot be read.
    """
    parts = [_entropy.coded_parts(_head(stream)) for stream in streams]
    plain = {
        number: cpu_unpack_bytes([_head(streams[number])])[0]
        for number, part in enumerate(parts)
        if part is None
    }
    sizes = np.array(
        [len(plain[number]) if part is None else part[1] for number, part in enumerate(parts)], np.int64
    )
    ends = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    bytes_ = work.empty(max(1, int(ends[-1])), np.uint8)
    for number, array in plain.items():
        work.put_into(bytes_, int(ends[number]), array)
    coded = [number for number, part in enumerate(parts) if part is not None]
    if not coded:
        return Decoding(bytes=bytes_, ends=ends, _faults=np.zeros(0, np.int32))
    joined, length, symbols, bits, order, shift, tables, starts, head = zip(
        *(parts[number] for number in coded), strict=True
    )
    size = np.array(length, np.int64)
    count = np.where(joined, (size + 1) // 2, size)
    counts = [(stored_size(streams[n]) - at) // 2 for n, at in zip(coded, head, strict=True)]
    first_words = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))
    words = work.empty(max(1, int(first_words[-1])), np.uint16)
    _bring(work, words, [(streams[n], at) for n, at in zip(coded, head, strict=True)], first_words.tolist())
    shapes = np.stack([count, bits, order, shift, counts, size, joined, _places(tables)[:-1]], axis=1)
    firsts = [_places(starts)[:-1], first_words[:-1], 256 * np.arange(len(coded)), ends[coded]]
    wrong = work.empty(len(coded), np.int32)
    work.run(
        gpu.kernel("decode", "decode_streams"),
        -(-len(coded) // _STREAMS),
        THREADS,
        work.put(shapes.astype(np.int32).ravel()),
        work.put(np.stack(firsts, axis=1).astype(np.int64).ravel()),
        work.put(np.concatenate(tables)),
        work.put(np.concatenate(starts)),
        words,
        work.put(np.frombuffer(b"".join(symbols), np.uint8)),
        np.int32(len(coded)),
        bytes_,
        wrong,
    )
    return Decoding(bytes=bytes_, ends=ends, _faults=work.take(wrong))


def _bring(
    work: Work, words: Any, streams: Sequence[tuple[bytes | PlacedStream, int]], firsts: Sequence[int]
) -> None:
    """Fills `words` with those of streams, which begin so many bytes into each, from `firsts` on."""
    pieces: dict[str, list[tuple[int, int, int]]] = {}
    for (stream, head), (first, end) in zip(streams, pairwise(firsts), strict=True):
        if isinstance(stream, PlacedStream):
            pieces.setdefault(stream.path, []).append((first, end - first, stream.at + head))
        else:
            work.put_into(words, first, np.frombuffer(stream, np.uint16, end - first, head))
    for path, some in pieces.items():
        with reading(path):
            work.read_into(words, path, some)


def gpu_unpack_bytes(gpu: Gpu, streams: Sequence[bytes]) -> list[Bytes]:
    """What `cpu_unpack_bytes` gives, decoded on a GPU; those that are not entropy-coded are the CPU's.

    Raises:
        DeviceLostError: the device fails.
        ValueError: a stream is damaged.
    """
    out: list[Bytes] = []

    def start(work: Work, first: int, end: int) -> Callable[[], None]:
        decoding = start_decoding(gpu, work, streams[first:end])
        found = work.take(decoding.bytes)

        def take() -> None:
            decoding.check()
            out.extend(one.copy() for one in np.split(found[: decoding.ends[-1]], decoding.ends[1:-1]))

        return take

    in_batches(gpu, [decoded_size(stream) + 2 * len(stream) for stream in streams], start)
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
