"""Variants that GIAB's confident calls of HG001 lack, at the rates that human genomes have them.

The calls of HG001 (v3.3.2, chromosome 20) say what share of the repeats of a unit and a number of copies varies. It
rises with the copies up to a plateau, and falls again where short reads cannot settle the length: what is missing
under the plateau is planted here. So are insertions and deletions of more than 15 bases, which short reads miss most,
and clusters of variants on one haplotype.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from baselake.demo.genome import ACGT, Bases
from baselake.demo.tracts import repeat_tracts
from baselake.demo.variants import Allele, normalise, without_overlaps

# By unit length: from how many copies, and what share of such repeats varies in one person beside what HG001's calls
# have. Those calls' own plateaus: 0.21 of homopolymers of 14, 0.5 of dinucleotides of 15 to 20, 0.39 of
# tetranucleotides of 9 and 10.
_MISSING_TRACTS = {1: (12, 0.10), 2: (10, 0.15), 3: (7, 0.15), 4: (7, 0.10), 5: (6, 0.10), 6: (5, 0.10)}
_LONGEST_TRACT = 100  # bases; no read of 150 settles a longer one
_BOTH_COPIES_DIFFER = 0.25  # of the repeats that vary: two lengths, neither the reference's
_UNITS_CHANGED = 0.55  # geometric

_LONG_INDELS = 1e-5  # a base, set by hand: the calls have half as many of more than 15 bases
_LONG = 16, 60
_TANDEM = 0.5  # of the long insertions repeat what stands before them

_CLUSTERS = 3e-5  # a base, each of 2 to 4 variants 2 to 20 bases apart on one copy
_CLUSTER_STEP = 2, 20
_CLUSTERED_INDEL = 0.2  # of its variants, 1 to 3 bases long

_HOMOZYGOUS = 0.38


def add_missing(contig: str, bases: Bases, real: Sequence[Allele], seed: int) -> list[Allele]:
    """Real alleles of a window, and what is missing among them.

    Args:
        contig: its name.
        bases: ASCII reference bases of the window.
        real: alleles of the person, by their place in the window.
        seed: the same seed plants the same variants.

    Returns:
        Alleles by start; no two touch on the same copy.
    """
    rng = np.random.default_rng(seed)
    drawn = list(_tracts(rng, contig, bases))
    drawn += _long_indels(rng, contig, bases)
    drawn += _clusters(rng, contig, bases)
    return without_overlaps([*real, *drawn])


def _tracts(rng: np.random.Generator, contig: str, bases: Bases) -> Iterator[Allele]:
    tracts = repeat_tracts(bases)
    for start, unit, copies in zip(
        tracts.start.tolist(), tracts.unit.tolist(), tracts.copies.tolist(), strict=True
    ):
        fewest, share = _MISSING_TRACTS[unit]
        if copies < fewest or unit * copies > _LONGEST_TRACT or start < 1 or rng.random() >= share:
            continue
        changes = [_change(rng, copies) for _ in range(2)]
        two = changes[0] != changes[1] and rng.random() < _BOTH_COPIES_DIFFER
        for which, change in enumerate(changes if two else changes[:1]):
            carried = (int(which == 0), int(which == 1)) if two else _copies(rng)
            anchor = chr(bases[start - 1])
            moved = bases[start : start + unit * abs(change)].tobytes().decode()
            ref, alt = (anchor, anchor + moved) if change > 0 else (anchor + moved, anchor)
            yield _allele(contig, bases, start - 1, ref, alt, carried)


def _change(rng: np.random.Generator, copies: int) -> int:
    """Units gained (positive) or lost, never the whole repeat."""
    units = min(int(rng.geometric(_UNITS_CHANGED)), copies - 2)
    return units if rng.random() < 0.5 else -units


def _long_indels(rng: np.random.Generator, contig: str, bases: Bases) -> Iterator[Allele]:
    for place in rng.integers(200, bases.size - 200, rng.poisson(bases.size * _LONG_INDELS)).tolist():
        # Equal numbers in each doubling of length.
        length = round(float(np.exp(rng.uniform(*np.log(_LONG)))))
        anchor = chr(bases[place])
        if rng.random() < 0.5:
            ref, alt = bases[place : place + length + 1].tobytes().decode(), anchor
        elif rng.random() < _TANDEM:
            ref, alt = anchor, anchor + bases[place - length + 1 : place + 1].tobytes().decode()
        else:
            ref, alt = anchor, anchor + rng.choice(ACGT, length).tobytes().decode()
        if "N" not in ref + alt:
            yield _allele(contig, bases, place, ref, alt, _copies(rng))


def _clusters(rng: np.random.Generator, contig: str, bases: Bases) -> Iterator[Allele]:
    for first in rng.integers(200, bases.size - 200, rng.poisson(bases.size * _CLUSTERS)).tolist():
        carried, place = _copies(rng), first
        for _ in range(int(rng.integers(2, 5))):
            ref = anchor = chr(bases[place])
            if rng.random() >= _CLUSTERED_INDEL:
                alt = str(rng.choice([base for base in "ACGT" if base != anchor]))
            elif rng.random() < 0.5:
                alt = anchor + rng.choice(ACGT, int(rng.integers(1, 4))).tobytes().decode()
            else:
                ref, alt = bases[place : place + 1 + int(rng.integers(1, 4))].tobytes().decode(), anchor
            if "N" not in ref:
                yield _allele(contig, bases, place, ref, alt, carried)
            place += int(rng.integers(*_CLUSTER_STEP, endpoint=True))


def _allele(contig: str, bases: Bases, start: int, ref: str, alt: str, copies: tuple[int, int]) -> Allele:
    place, ref, alt = normalise(bases, start, ref, alt)
    return Allele(contig=contig, start=place, ref=ref, alt=alt, copies=copies)


def _copies(rng: np.random.Generator) -> tuple[int, int]:
    if rng.random() < _HOMOZYGOUS:
        return (1, 1)
    return (1, 0) if rng.random() < 0.5 else (0, 1)
