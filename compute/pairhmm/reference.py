"""The slow, obvious oracle of the PairHMM: one cell at a time in float64, from `docs/calling-model.md`."""

import math
from collections.abc import Sequence

_GAP_OPEN = 45
_EXTEND = 0.1
_REPEAT_DROP = {1: 2.4, 2: 3.5, 3: 3.0, 4: 3.0}


def cost(
    read: str,
    quality: Sequence[int],
    haplotype: str,
    insertion: Sequence[int],
    deletion: Sequence[int],
    diagonal: int,
    left: int,
    right: int,
) -> float:
    """Phred of the likelihood of a whole read, summed over its alignments within a band.

    States are match, insertion and deletion. Read base i aligned to haplotype base j emits 1 - e where they are the
    same or the haplotype has N, e / 3 where they differ, 1 where its quality is 0; nothing fits beyond the haplotype's
    ends, where gaps open at 45. From match at j - 1 the next base is matched with 1 - insertion(j - 1) - deletion(j);
    a gap goes on with 0.1 and ends with 0.9. Each place of the first base has weight 1, an insertion comes not before
    it, and the read ends with a base.
    """

    def rate(phred: int) -> float:
        return 10.0 ** (-phred / 10)

    def opening(values: Sequence[int], j: int) -> float:
        return rate(values[j]) if 0 <= j < len(haplotype) else rate(_GAP_OPEN)

    def emission(i: int, j: int) -> float:
        if quality[i] == 0:
            return 1.0
        inside = 0 <= j < len(haplotype)
        fits = inside and (haplotype[j] == "N" or (read[i] == haplotype[j] and read[i] in "ACGT"))
        return 1 - rate(quality[i]) if fits else rate(quality[i]) / 3

    if not read:
        return 0.0
    match: dict[tuple[int, int], float] = {}
    insert: dict[tuple[int, int], float] = {}
    delete: dict[tuple[int, int], float] = {}
    for i in range(len(read)):
        for j in range(i + diagonal - left, i + diagonal + right + 1):
            stay = max(0.0, 1 - opening(insertion, j - 1) - opening(deletion, j))
            before = (i - 1, j - 1)
            gaps = insert.get(before, 0.0) + delete.get(before, 0.0)
            arrive = 1.0 if i == 0 else stay * match.get(before, 0.0) + (1 - _EXTEND) * gaps
            match[i, j] = emission(i, j) * arrive
            above, aside = (i - 1, j), (i, j - 1)
            insert[i, j] = opening(insertion, j) * match.get(above, 0.0) + _EXTEND * insert.get(above, 0.0)
            delete[i, j] = opening(deletion, j) * match.get(aside, 0.0) + _EXTEND * delete.get(aside, 0.0)
    last = len(read) - 1
    total = sum(value for cells in (match, insert) for (i, _), value in cells.items() if i == last)
    return -10 * math.log10(total) if total > 0 else math.inf


def repeats(bases: str, longest_unit: int) -> list[tuple[int, int, int]]:
    """First base, length and unit of every maximal tandem repeat of at least two primitive units."""
    found = set()
    for unit in range(1, longest_unit + 1):
        for first in range(len(bases) - 2 * unit + 1):
            motif = bases[first : first + unit]
            if "N" in motif or any(
                unit % p == 0 and motif == motif[:p] * (unit // p) for p in range(1, unit)
            ):
                continue
            length = unit
            while first + length < len(bases) and bases[first + length] == motif[length % unit]:
                length += 1
            starts = first == 0 or bases[first - 1] != bases[first - 1 + unit]
            if length >= 2 * unit and starts:
                found.add((first, length, unit))
    return sorted(found)


def gap_open_qualities(haplotype: str) -> list[int]:
    """Phred of a gap that opens at each base: a repeat's slip, shared among its bases."""
    out = [255] * len(haplotype)
    for first, length, unit in repeats(haplotype, 4):
        beyond = max(0, length // unit - (3 if unit == 1 else 2))
        whole = _GAP_OPEN - int(_REPEAT_DROP[unit] * beyond) - (10 * (unit - 1) if beyond else 0)
        quality = math.floor(max(8, whole) + 10 * math.log10(length) + 0.5)
        for at in range(first, first + length):
            out[at] = min(out[at], quality)
    return [_GAP_OPEN if quality == 255 else quality for quality in out]


def pcr_gap_open_qualities(bases: str) -> list[int]:
    """GATK's PCR indel model at each base."""
    out = [_GAP_OPEN] * len(bases)
    for first, length, unit in repeats(bases, 8):
        quality = max(10, math.floor(41 - math.exp(min(length // unit, 20) / (3 * math.pi)) + 0.5))
        for at in range(first, first + length):
            out[at] = min(out[at], quality)
    return out
