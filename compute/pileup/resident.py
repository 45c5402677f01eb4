"""Alignments whose bases and qualities lie in a GPU's memory: decoded there from what a lake stores.

Stored qualities, most of the bytes of alignments, are decoded by the device. Bases are not put together before a part
of the genome is called (`walk.py`): what is stored of them is little, namely what differs from the contig.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from baselake.compute.decode.launch import decoded_size, start_decoding, stored_size
from baselake.compute.device import Gpu
from baselake.lake.columns.codecs import NO_CONTIG
from baselake.lake.columns.reader import CodedRows

_CHANGE_BYTES = 6
_NO_QUALITIES = -1
_MOST_BASES = np.iinfo(np.int32).max  # of a window: places of a part's bases are int32


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAlignments:
    """Alignments of one contig, their bases and qualities on a device.

    Attributes:
        gpu: the device.
        rows: the columns that a caller reads but for `seq` and `qual`; n rows.
        decoded: the same rows with all columns, decoded by the CPU.
        lengths: int32 by row, bases.
        qualities: int32 by row; 0: there are none.
        stored: int64 [n, 4], as `pileup_unfold` of kernel.cu takes it.
        whole: int32 by row, likewise.
        contig: uint8, the contig that bases are stored against; empty: they are stored whole.
        kept, places, codes, characters: on the device; likewise.
    """

    gpu: Gpu
    rows: pa.Table
    decoded: Callable[[], pa.Table]
    lengths: npt.NDArray[np.int32]
    qualities: npt.NDArray[np.int32]
    stored: npt.NDArray[np.int64]
    whole: npt.NDArray[np.int32]
    contig: npt.NDArray[np.uint8]
    kept: Any
    places: Any
    codes: Any
    characters: Any

    def where(self, wanted: npt.NDArray[np.bool_]) -> "DeviceAlignments":
        """Some of the rows; `decoded` is to give the same already."""
        return replace(
            self,
            rows=self.rows.filter(pa.array(wanted)),
            lengths=self.lengths[wanted],
            qualities=self.qualities[wanted],
            stored=self.stored[wanted],
            whole=self.whole[wanted],
        )


def on_device(
    gpu: Gpu, rows: pa.Table, coded: CodedRows, contig_length: int, decoded: Callable[[], pa.Table]
) -> DeviceAlignments | None:
    """Brings the coded columns of alignments to a device and decodes their qualities there.

    Args:
        gpu: the device.
        rows: all columns that a caller reads but for `seq` and `qual`.
        coded: these two of the same rows.
        contig_length: bases of the contig that they lie on.
        decoded: gives the rows with all columns, decoded by the CPU.

    Returns:
        None where there are no rows, 2^31 bases or more, the device has not the memory, or blocks are stored against
        different contigs: that is the CPU's.

    Raises:
        DeviceLostError: the device fails.
        LakeError: a block is damaged.
        StorageError: a file that qualities lie in cannot be read.
    """
    blocks = coded.blocks
    contigs = {block.contig.digest: block.contig for block in blocks if block.contig is not NO_CONTIG}
    if (
        not blocks
        or len(contigs) > 1
        or any(len(contig.bases) != contig_length for contig in contigs.values())
    ):
        return None
    sequences, qualities = [block.sequences for block in blocks], [block.qualities for block in blocks]
    streams = [quality.packed for quality in qualities]
    sizes = np.array([int(quality.lengths.sum()) for quality in qualities], np.int64)
    if any(decoded_size(stream) != size for stream, size in zip(streams, sizes.tolist(), strict=True)):
        raise told(decoded, ValueError("qualities are not as many as their lengths say"))
    taken = sum(map(stored_size, streams)) + int(sizes.sum())
    taken += sum(len(one.kept) + _CHANGE_BYTES * len(one.places) for one in sequences)
    total = sum(int(one.lengths.sum(dtype=np.int64)) for one in sequences)
    if total > _MOST_BASES or not gpu.fits(taken):
        return None
    # By row of all blocks, and which of these the table has.
    number = _firsts([len(one.lengths) for one in sequences])[coded.block] + coded.row
    kept_at = _joined([one.kept_at for one in sequences], [len(one.kept) for one in sequences])
    change_at = _joined([one.change_at[:-1] for one in sequences], [len(one.places) for one in sequences])
    changes = np.concatenate([np.diff(one.change_at) for one in sequences])
    quality_at = _joined([np.cumsum(one.lengths) - one.lengths for one in qualities], sizes.tolist())
    quality_lengths = np.concatenate([one.lengths for one in qualities])
    quality_at[quality_lengths == 0] = _NO_QUALITIES
    with gpu.using():
        work = gpu.work()
        try:
            decoding = start_decoding(gpu, work, streams)
            kept, places, codes = (
                work.put(np.concatenate([getattr(one, name) for one in sequences]))
                for name in ("kept", "places", "codes")
            )
        except Exception as error:
            if not gpu.out_of_memory(error):
                raise
            work.wait()
            return None
        work.wait()
    try:
        decoding.check()
    except ValueError as error:
        raise told(decoded, error) from error
    return DeviceAlignments(
        gpu=gpu,
        rows=rows,
        decoded=decoded,
        lengths=np.concatenate([one.lengths for one in sequences])[number],
        qualities=quality_lengths[number].astype(np.int32),
        stored=np.stack((kept_at, change_at, changes, quality_at), axis=1)[number],
        whole=np.concatenate([one.whole for one in sequences])[number].astype(np.int32),
        contig=next((contig.bases for contig in contigs.values()), NO_CONTIG.bases),
        kept=kept,
        places=places,
        codes=codes,
        characters=decoding.bytes,
    )


def told(decoded: Callable[[], pa.Table], error: ValueError) -> ValueError:
    """What to raise for damage that a device came upon where the CPU, which knows the file, finds none.

    Raises:
        LakeError: the CPU finds it, too.
    """
    decoded()
    return error


def _firsts(sizes: list[int]) -> npt.NDArray[np.int64]:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)))[:-1]


def _joined(places: list[npt.NDArray], sizes: list[int]) -> npt.NDArray[np.int64]:
    """Places in arrays of such sizes as places in all of them one after the other."""
    return np.concatenate(
        [one + first for one, first in zip(places, _firsts(sizes).tolist(), strict=True)]
    ).astype(np.int64)
