"""Duplicate marking, as samtools markdup (template mode) and Picard MarkDuplicates define it.

A template's *ends* are the unclipped 5' positions of its mapped primary records, each with its strand. Within one
library,

- templates with both reads mapped are duplicates of each other if both ends agree;
- a template with one mapped read (single-end, or its mate is unmapped) is a duplicate of every template that has an
  end at its end: any pair there is kept before it, and of such fragments alone one is kept.

Of a set of duplicates the one kept has the greatest sum of base qualities of 15 and more over its mapped primary
records; among equals the one whose reads came first in the input (Picard takes the file's order too, samtools
the name's). The others get FLAG 0x400 on all their records: unmapped mates and supplementary records go with their
template, as Picard does for input grouped by name. Templates that failed the instrument's filter (0x200) take
no part, as in samtools.

A duplicate is *optical* (`DT:Z:SQ`) if its name says it was read on the same tile within a distance, in x and in y,
of a better member of its set that was read from the same end, directly or over a chain of such members; any other
is from the library (`DT:Z:LB`). Source: Picard's OpticalDuplicateFinder; 100 pixels is its default for unpatterned
flow cells, 2500 is advised for patterned ones. Unlike Picard, fragments are looked at as pairs are, pairs on one
strand too must agree on the end read first, and a chain's library duplicate is its best member.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from baselake.compute.arrow_columns import string_buffers
from baselake.compute.duplicates._twin import PARTITIONS, Spill
from baselake.compute.duplicates._twin import decide as decide_partition
from baselake.lake.parquet import storage_error
from baselake.lake.spills import SpillCipher

# SAMv1 section 1.4: PCR or optical duplicate.
DUPLICATE = 0x400
# Buffers of the spill: three files for each partition.
_BUFFER_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Marks:
    """What was decided of every template.

    Attributes:
        kinds: uint8, by number of the template: 0 kept, 1 library duplicate (LB), 2 optical duplicate (SQ).
    """

    kinds: np.ndarray

    def of(self, templates: np.ndarray) -> np.ndarray:
        """The kinds of templates by number, uint8."""
        return self.kinds[templates]


class DuplicateMarker:
    """Finds the duplicates of a sample in bounded memory.

    Keys of fixed width (80 bytes a pair) are spilled to 256 partitions by hash; `decide` maps one partition after
    the other into memory, where the system may page it out again.

    Args:
        folder: an existing empty folder for the spill; files are left for its owner to remove.
        contigs: names, in the order of the reference.
        optical_distance: pixels.
        memory_bytes: bound on buffers.
        cipher: hides the keys on the disk; None: they are plain.
    """

    def __init__(
        self,
        folder: Path,
        contigs: Sequence[str],
        optical_distance: int,
        memory_bytes: int,
        cipher: SpillCipher | None = None,
    ) -> None:
        self._folder = folder
        self._contigs = pa.array(contigs, pa.string())
        self._distance = optical_distance
        buffered = min(_BUFFER_BYTES, memory_bytes // (3 * PARTITIONS))
        self._cipher = cipher
        self._spill = Spill(str(folder), buffered, cipher)

    def add(self, records: pa.RecordBatch, library_of: np.ndarray) -> None:
        """Takes records of whole templates, those of a template together.

        Args:
            records: with columns template (int64, from 0), read_group (int32), name, flag, contig, start, cigar
                and qual as in `alignments`.
            library_of: int32, number of the library of every read group.

        Raises:
            StorageError: the disk is full or fails.
        """
        error = self._spill.add(
            records["template"].to_numpy(),
            library_of[records["read_group"].to_numpy()],
            records["flag"].to_numpy(),
            pc.index_in(records["contig"], self._contigs).fill_null(-1).to_numpy(),
            records["start"].fill_null(-1).to_numpy(),
            string_buffers(records["name"]),
            string_buffers(records["cigar"]),
            string_buffers(records["qual"]),
        )
        self._check(error)

    def decide(self, templates: int) -> Marks:
        """Decides all templates; call once, after the last `add`.

        Args:
            templates: how many there are; numbers in `add` were under it.

        Raises:
            StorageError: the disk is full or fails.
        """
        self._check(self._spill.flush())
        try:
            # On disk, as everything that grows with the input is; the system keeps what it has room for.
            kinds = np.memmap(self._folder / "marks", np.uint8, "w+", shape=(max(1, templates),))
        except OSError as error:
            raise storage_error(error, self._folder) from error
        for partition in range(PARTITIONS):
            pairs, fragments, ends = (
                self._mapped(f"{kind}-{partition}") for kind in ("pairs", "fragments", "ends")
            )
            decide_partition(pairs, fragments, ends, kinds, self._distance)
        return Marks(kinds)

    def _mapped(self, name: str) -> np.ndarray:
        path = self._folder / name
        if not path.exists():
            return np.zeros(0, np.uint8)
        if self._cipher is None:
            return np.memmap(path, np.uint8, "r+")
        keys = np.fromfile(path, np.uint8)
        self._cipher(str(path), 0, memoryview(keys.data))
        return keys

    def _check(self, error: int) -> None:
        if error:
            raise storage_error(OSError(error, os.strerror(error)), self._folder)


def add_duplicate_type(tags: pa.Array, kinds: np.ndarray) -> pa.Array:
    """BAM auxiliary bytes with DT:Z:LB or DT:Z:SQ appended to those of duplicates.

    Args:
        tags: binary, n rows.
        kinds: uint8, n, as in `Marks`.
    """
    if not kinds.any():
        return tags
    suffix = pa.array([b"", b"DTZLB\0", b"DTZSQ\0"], pa.binary()).take(pa.array(kinds))
    joined = pc.binary_join_element_wise(tags, suffix, b"", null_handling="replace", null_replacement=b"")
    return pc.if_else(pa.array(kinds != 0), joined, tags)
