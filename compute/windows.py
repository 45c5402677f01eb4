"""The alignments of a window of the genome, on a GPU as they are stored or decoded by the CPU."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.compute.arrow_columns import string_buffers, whole
from baselake.compute.device import DeviceLostError, Gpu
from baselake.compute.pileup import LONGEST_READ
from baselake.compute.pileup.resident import DeviceAlignments, on_device
from baselake.progress import Progress

Result = TypeVar("Result")


class WindowRows:
    """What overlaps a window, but for reads that the model is not made for; threads may share it.

    Args:
        catalog: the lake.
        asked: parameters of the statement `alignments_to_call`.

    Raises:
        LakeError, NotFoundError, StorageError: as of `Catalog.stored_alignments`, also when rows are decoded.
    """

    def __init__(self, catalog: Catalog, asked: Mapping[str, object]) -> None:
        self._catalog = catalog
        self._stored = catalog.stored_alignments(catalog.statement("alignments_to_call"), dict(asked))
        self._lock = threading.Lock()
        self._decoded: tuple[pa.Table, int] | None = None

    def decoded(self) -> pa.Table:
        """All columns that a caller reads, decoded by the CPU."""
        return self.short_and_long()[0]

    def short_and_long(self) -> tuple[pa.Table, int]:
        """The same, and how many reads of over `LONGEST_READ` bases were left out."""
        with self._lock:
            if self._decoded is None:
                with self._catalog.reading():
                    rows = self._stored.decoded().combine_chunks()
                short = np.diff(string_buffers(whole(rows["seq"]))[0]) <= LONGEST_READ
                long = int(np.count_nonzero(~short))
                self._decoded = (rows.filter(pa.array(short)) if long else rows), long
            return self._decoded

    def on(self, gpu: Gpu, contig_length: int) -> DeviceAlignments | None:
        """The same rows on a GPU; None where its memory does not suffice, or rows are not stored in blocks.

        Raises:
            DeviceLostError: the GPU fails.
        """
        with self._catalog.reading():
            parts = self._stored.in_parts(placed=gpu.reads_files)
            if parts is None:
                return None
            rows, coded = parts
            return on_device(gpu, rows.combine_chunks(), coded, contig_length, self.decoded)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowAlignments:
    """Alignments of a window, read.

    Attributes:
        rows: for what the CPU does.
        resident: the same on a GPU; None: they are not there.
        long: reads of over `LONGEST_READ` bases, which are left out.
    """

    rows: WindowRows
    resident: DeviceAlignments | None
    long: int


def read_window(
    catalog: Catalog, asked: Mapping[str, object], contig_length: int, gpu: Gpu | None, progress: Progress
) -> WindowAlignments:
    """Reads what overlaps a window, to a GPU where that can take it, else decoded by the CPU.

    Args:
        catalog: the lake.
        asked: parameters of the statement `alignments_to_call`.
        contig_length: bases of the contig.
        gpu: where the window is to be called; None: on the CPU.
        progress: where a GPU's failure is told.

    Raises:
        LakeError, NotFoundError, StorageError: as of `WindowRows`.
    """
    rows = WindowRows(catalog, asked)
    resident = None if gpu is None else on_gpu(progress, gpu, lambda: rows.on(gpu, contig_length))
    if resident is None:
        return WindowAlignments(rows=rows, resident=None, long=rows.short_and_long()[1])
    short = resident.lengths <= LONGEST_READ
    return WindowAlignments(
        rows=rows,
        resident=resident if short.all() else resident.where(short),
        long=int(np.count_nonzero(~short)),
    )


def on_gpu(progress: Progress, gpu: Gpu, compute: Callable[[], Result]) -> Result | None:
    """What is computed on a GPU; None where that is lost, or is now: a warning says so."""
    if gpu.lost:
        return None
    try:
        return compute()
    except DeviceLostError as error:
        progress.note(f"WARNING: {error}; what it has not done is computed on the CPU, which is slower")
        return None
