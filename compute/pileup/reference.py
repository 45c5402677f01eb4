"""The slow, obvious oracle of the parts of `twin.cpp` that compute: pileup events, spelling and genotype costs.

Written from `docs/calling-model.md`, one read, base and cell at a time. Costs are phred.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

from baselake.compute.pileup import DEFAULT_PARAMETERS, CallParameters

_EXCLUDED = (
    0x4 | 0x100 | 0x200 | 0x400 | 0x800
)  # unmapped, secondary, vendor-failed, duplicate, supplementary


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """One row of ALIGNMENTS as the caller reads it, with the columns' names and coordinates."""

    start: int
    flag: int
    mapq: int
    cigar: str
    seq: str
    qual: str
    name: str
    duplicate: bool


def usable(read: Alignment, parameters: CallParameters = DEFAULT_PARAMETERS) -> bool:
    """Whether a read takes part: primary, mapped well, not a duplicate, passed by the instrument."""
    return not (
        read.flag & _EXCLUDED or read.duplicate or read.mapq < parameters.min_mapq or read.mapq == 255
    )


def substitutions(
    reads: Sequence[Alignment], contig: str, parameters: CallParameters = DEFAULT_PARAMETERS
) -> list[tuple[int, str, int]]:
    """Position, base and quality of every mismatching base of reads without overlapping mates, sorted.

    Only for reads without insertions and deletions, whose alignment the caller leaves as it is.
    """
    found = []
    for read in filter(lambda r: usable(r, parameters), reads):
        offset, position = 0, read.start
        for length, kind in re.findall(r"(\d+)([MS])", read.cigar):
            for i in range(int(length)) if kind == "M" else ():
                base, wanted = read.seq[offset + i], contig[position + i].upper()
                quality = min(ord(read.qual[offset + i]) - 33, 45)
                if (
                    base in "ACGT"
                    and wanted in "ACGT"
                    and base != wanted
                    and quality >= parameters.min_base_quality
                ):
                    found.append((position + i, base, quality))
            offset += int(length)
            position += int(length) if kind == "M" else 0
    return sorted(found)


def genotype_costs(
    costs: Sequence[Sequence[float]], caps: Sequence[float], reverse: Sequence[bool], ploidy: int
) -> dict[tuple[int, ...], float]:
    """Cost of every genotype, given each fragment's cost under each allele.

    Args:
        costs: fragments by alleles.
        caps: by fragment, the most it may say against an allele.
        reverse: by fragment, its strand.
        ploidy: copies; a genotype is given as the alleles of its copies, sorted.
    """
    relative = [[min(cost - min(row), cap) for cost in row] for row, cap in zip(costs, caps, strict=True)]
    out = {}
    for genotype in combinations_with_replacement(range(len(costs[0])), ploidy):
        total = 0.0
        groups: dict[tuple[int, bool], list[float]] = {}
        for row, strand in zip(relative, reverse, strict=True):
            error = min(row[allele] for allele in genotype)
            any_copy = sum(10 ** (-row[allele] / 10) for allele in genotype) / ploidy
            total += -10 * math.log10(any_copy) - error
            if error > 0:
                groups.setdefault((row.index(min(row)), bool(strand)), []).append(error)
        out[genotype] = total + _error_cost(groups, [bool(strand) for strand in reverse])
    return out


def _error_cost(groups: dict[tuple[int, bool], list[float]], strands: Sequence[bool]) -> float:
    independent = sum(sum(errors) for errors in groups.values())
    shared = sum(
        error * (0.97 * 0.83 ** min(rank, 63) + 0.03)
        for errors in groups.values()
        for rank, error in enumerate(sorted(errors, reverse=True))
    )
    clear = {key: sum(error >= 3 for error in errors) for key, errors in groups.items()}
    ways, left = 1, len(strands)  # to choose the fragments struck towards each allele
    for allele in {allele for allele, _ in clear}:
        struck = clear.get((allele, False), 0) + clear.get((allele, True), 0)
        ways *= math.comb(left, struck)
        left -= struck
    accounts = [independent, shared + 10 * math.log10(ways)]
    for (allele, strand), errors in groups.items():
        struck, reads = clear[allele, strand], strands.count(strand)
        if struck > 1:
            # Chance of this many under a share of unknown size, Beta(1, 4).
            chance = math.exp(_log_beta(1 + struck, 4 + reads - struck) - _log_beta(1, 4))
            # Bases misread so are of low quality: those that are not cost half of what they do beyond 25.
            good = sum(max(0, error - 25) / 2 for error in errors)
            accounts.append(independent - sum(errors) + good + 50 - 10 * math.log10(chance))
    return min(accounts)


def _log_beta(x: float, y: float) -> float:
    return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)


def normalise(contig: str, position: int, ref_length: int, alt: str) -> tuple[int, str, str]:
    """The VCF spelling (0-based start, REF, ALT) of a change: parsimonious and as far left as it goes."""
    start, ref = position, contig[position : position + ref_length]
    while True:
        if ref and alt and ref[-1] == alt[-1]:
            ref, alt = ref[:-1], alt[:-1]
        elif (not ref or not alt) and start > 0:
            start -= 1
            ref, alt = contig[start] + ref, contig[start] + alt
            if ref[-1] != alt[-1]:
                break
        else:
            break
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        start, ref, alt = start + 1, ref[1:], alt[1:]
    if not ref or not alt:  # at the contig's first base the anchor follows
        anchor = contig[start + len(ref)]
        ref, alt = ref + anchor, alt + anchor
    return start, ref, alt
