"""Types of the native base calls, `calls.cpp`.

A call byte is that of a BCL file: the base (A C G T) in bits 0 and 1, the quality above them; 0 is a no-call. A range
of cycles is (first, length), the first 0-based. All of it releases the GIL.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Bytes = bytes | memoryview | NDArray[np.uint8]

def select_bytes(
    plane: Bytes, clusters: int, flags: Bytes | None, wanted: int, table: bytes
) -> tuple[NDArray[np.uint8], int]:
    """Call bytes of one cycle of a BCL file.

    Args:
        plane: the bytes of its clusters.
        clusters: how many.
        flags: bitmap of the clusters to take, least significant bit first; None takes all.
        wanted: how many it takes.
        table: 16 bytes, of which the first four say what bytes of quality 0 become.

    Returns:
        uint8 [wanted], and how many of these had quality 0 and a base other than A.
    """

def select_nibbles(
    plane: Bytes, clusters: int, flags: Bytes, wanted: int, table: bytes
) -> tuple[NDArray[np.uint8], int]:
    """Call bytes of some clusters of one cycle of a CBCL file, as `select_bytes`; table: 16 bytes, by nibble."""

class Calls:
    """The calls of a tile: a row to a cluster, a column to a cycle. Its length is the number of clusters."""

    def __init__(self, clusters: int, cycles: int) -> None: ...
    def __len__(self) -> int: ...
    @property
    def cycles(self) -> int: ...
    @property
    def array(self) -> NDArray[np.uint8]:
        """Call bytes [clusters, cycles], read-only, without a copy."""

    def add(self, first: int, planes: Sequence[Bytes], tables: Sequence[bytes | None]) -> int:
        """Fill cycles from `first` on (0-based), in groups of 16 or to the end; groups may come in several threads.

        A plane without a table holds call bytes; one with a table of 16 call bytes holds nibbles, the earlier cluster
        in the low bits. Returns how many nibbles had quality bin 0 and a base other than A.
        """

    def emit(
        self, order: NDArray[np.int64] | NDArray[np.uint32], ranges: Sequence[tuple[int, int]]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Bases (ACGTN) and qualities (phred+33, no-call `#`) of rows in that order, all ranges of a row in turn.

        Returns:
            Two uint8 [rows * total length], without separators: the data of Arrow string columns.

        Raises:
            IndexError: there is no such row.
        """

    def group(
        self, first: tuple[int, int], second: tuple[int, int]
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.uint8]]:
        """Distinct pairs of index sequences.

        Returns:
            The number of each row's pair, int32 [clusters], in the order they are first seen; and the ASCII bases
            of the pairs, uint8 [pairs, length] of either range, whose length may be 0.
        """

    def code(
        self,
        order: NDArray[np.int64] | NDArray[np.uint32],
        ranges: Sequence[tuple[int, int]],
        step: int,
        table: bytes,
    ) -> list[tuple[bytes, bytes]]:
        """What `emit` gives, coded as in lake/columns: bases at two bits, qualities as a byte stream.

        Args:
            order, ranges: as for `emit`.
            step: how many rows are coded together.
            table: 256 bytes: what each character of qualities as text is stored as.

        Raises:
            IndexError: there is no such row.
        """

    def dictionaries(
        self, order: NDArray[np.int64] | NDArray[np.uint32], cycles: tuple[int, int], repeat: int
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int32], NDArray[np.uint8]]:
        """What `emit` gives for one range, each distinct text once.

        Returns:
            The number of each row's bases, `repeat` times, int32 [rows * repeat]; the distinct bases, uint8 [texts,
            length]; likewise of qualities.

        Raises:
            IndexError: there is no such row.
        """

    def quality(
        self, cycles: tuple[int, int], code: NDArray[np.int32], count: int, chosen: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many calls have at least Q30, and the sum of the qualities; a no-call has Q2.

        Args:
            cycles: the range.
            code: [clusters], what each row is counted under, below `count`.
            count: how many codes there are.
            chosen: [clusters], whether it is counted at all.

        Returns:
            Two int64 [count].
        """

    def names(
        self,
        order: NDArray[np.int64] | NDArray[np.uint32],
        x: NDArray[np.int32],
        y: NDArray[np.int32],
        prefix: str,
        repeat: int,
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """`prefix:x:y` of rows in that order, each `repeat` times; x and y are those of all rows.

        Returns:
            Arrow string buffers: int32 offsets [rows * repeat + 1] and the text.

        Raises:
            ValueError: the text may exceed 2 GiB.
        """

    def find_adapter(
        self,
        order: NDArray[np.int64] | NDArray[np.uint32],
        cycles: tuple[int, int],
        adapter: bytes,
        stringency: float,
        min_overlap: int,
    ) -> NDArray[np.int16]:
        """Where an adapter begins in rows in that order.

        It is the first place, 0-based within `cycles`, from which on, to the end of the adapter or of the cycles,
        at least `min_overlap` bases can be compared and at least a share of `stringency` of them agree; -1: none.
        """
