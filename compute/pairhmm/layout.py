"""What the PairHMM reads: flat arrays, as the kernel of any device takes them."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """Reads, one after another: read i is [offsets[i], offsets[i + 1]).

    Attributes:
        offsets: int32, one more than there are reads.
        bases: uint8 ASCII.
        quality: uint8 phred of each base; 0: the base says nothing.
    """

    offsets: npt.NDArray[np.int32]
    bases: npt.NDArray[np.uint8]
    quality: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Haplotypes:
    """Haplotypes, laid out as `Reads` are.

    Attributes:
        offsets: int32, one more than there are haplotypes.
        bases: uint8 ASCII; N fits everything.
        insertion: uint8 phred of an insertion error that opens after a base.
        deletion: uint8 phred of a deletion error that opens with a base.
    """

    offsets: npt.NDArray[np.int32]
    bases: npt.NDArray[np.uint8]
    insertion: npt.NDArray[np.uint8]
    deletion: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Pairs of a read and a haplotype, each with a band of its own.

    Attributes:
        read: int32, which read.
        haplotype: int32, which haplotype.
        diagonal: int32, the haplotype base (0-based, may lie outside) where read base 0 is expected.
        left: int32, how much further left an alignment may run, in bases.
        right: int32, how much further right.
    """

    read: npt.NDArray[np.int32]
    haplotype: npt.NDArray[np.int32]
    diagonal: npt.NDArray[np.int32]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]

    def some(self, which: npt.NDArray[np.intp] | slice) -> "Pairs":
        """Those at some places."""
        return Pairs(**{field.name: getattr(self, field.name)[which] for field in fields(self)})
