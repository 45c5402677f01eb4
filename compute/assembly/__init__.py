"""Local assembly: the sequences that the reads of a region spell, in native code.

`graph.h` and `assembly.h` are the kernel, `reference.py` the slow oracle, `docs/calling-model.md` explains the steps.
Functions release the GIL and keep no state.
"""

from dataclasses import dataclass

from baselake.compute.assembly import _twin
from baselake.compute.pairhmm import Reads


@dataclass(frozen=True, slots=True, kw_only=True)
class AssemblyLimits:
    """What bounds an assembly.

    Attributes:
        min_quality: bases under this phred quality break a read.
        min_count: a chain of k-mers stays where an edge of it has so many reads.
        max_haplotypes: how many are given back, the reference among them.
        max_bases: reads beyond so many bases, in the order given, are left out.
    """

    min_quality: int = 10
    min_count: int = 2
    max_haplotypes: int = 16
    max_bases: int = 400_000


DEFAULT_LIMITS = AssemblyLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class AssembledHaplotype:
    """One sequence from the reference's first base to its last.

    Attributes:
        bases: A, C, G, T.
        cost: phred of the share of reads that took each branch on its way; 0 for the reference.
    """

    bases: str
    cost: float


def assemble(
    reference: str, reads: Reads, *, limits: AssemblyLimits = DEFAULT_LIMITS
) -> list[AssembledHaplotype]:
    """The reference, and what reads spell from its first k bases to its last, the likeliest first.

    Graphs of k = 10 and 25 are made, of 35, 45 and 55 where neither can be used: it cannot where the reference has a
    k-mer twice, or the graph a cycle. A reference with other bases than A, C, G and T is not assembled.

    Args:
        reference: bases in upper case.
        reads: parts of reads near it, on its strand.
        limits: what bounds the result and the work.

    Raises:
        ValueError: no haplotype is allowed.
    """
    if limits.max_haplotypes < 1:
        raise ValueError(f"{limits.max_haplotypes} haplotypes: the reference is one")
    bases, costs = _twin.assemble(
        reference,
        reads.offsets,
        reads.bases,
        reads.quality,
        limits.min_quality,
        limits.min_count,
        limits.max_haplotypes,
        limits.max_bases,
    )
    return [AssembledHaplotype(bases=one, cost=cost) for one, cost in zip(bases, costs, strict=True)]
