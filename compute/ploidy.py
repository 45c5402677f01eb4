"""How many copies of each stretch of a contig a human sample has, by its sex.

Contigs are recognised by name, with or without `chr`; the assembly by the length of its X, which tells where the
pseudo-autosomal regions (PAR) lie.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_X = ("X", "chrX")
_Y = ("Y", "chrY")
_MITOCHONDRION = ("MT", "M", "chrM", "chrMT")
_AUTOSOMES = frozenset(f"{prefix}{number}" for prefix in ("", "chr") for number in range(1, 23))

# 0-based half-open PAR1 and PAR2 of X, by the length of X. On Y they are the same sequence, reported on X.
# GRCh37 (hg19, b37, hs37d5) and GRCh38: Genome Reference Consortium, assembly regions of GCA_000001405.14 and .15.
# T2T-CHM13v2.0 (GCA_009914755.4): chm13v2.0_PAR.bed of the consortium's analysis set.
_PAR_OF_X: Mapping[int, tuple[tuple[int, int], ...]] = {
    155_270_560: ((60_000, 2_699_520), (154_931_043, 155_260_560)),
    156_040_895: ((10_000, 2_781_479), (155_701_382, 156_030_895)),
    154_259_566: ((0, 2_394_410), (153_925_834, 154_259_566)),
}
# The same regions of Y, by the length of X of the same assembly.
_PAR_OF_Y: Mapping[int, tuple[tuple[int, int], ...]] = {
    155_270_560: ((10_000, 2_649_520), (59_034_049, 59_363_566)),
    156_040_895: ((10_000, 2_781_479), (56_887_902, 57_217_415)),
    154_259_566: ((0, 2_458_320), (62_122_809, 62_460_029)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PloidySegment:
    """A stretch of a contig with one number of copies.

    Attributes:
        start: first base, 0-based.
        end: the base after the last.
        ploidy: copies: 2, 1, or 0 where nothing is to be called.
    """

    start: int
    end: int
    ploidy: int


def is_sex_chromosome(contig: str) -> bool:
    """Whether a contig is X or Y."""
    return contig in _X or contig in _Y


def is_mitochondrion(contig: str) -> bool:
    """Whether a contig is the mitochondrion, whose copies are not counted."""
    return contig in _MITOCHONDRION


def is_autosome(contig: str) -> bool:
    """Whether a contig is one of 1 to 22."""
    return contig in _AUTOSOMES


def ploidy_segments(contig: str, lengths: Mapping[str, int], sex: str | None) -> list[PloidySegment]:
    """The copies of a whole contig, in order.

    Males have one X and one Y outside the PAR; the PAR is called as diploid on X and not at all on Y, which has
    the same sequence. Females have two X and no Y. The mitochondrion stands as one copy: its alleles have
    fractions. A sample of unknown sex is diploid on X and Y.

    Args:
        contig: its name.
        lengths: length of every contig of the assembly.
        sex: `male`, `female`, or None where unknown.

    Raises:
        ValueError: sex is something else.
    """
    if sex not in ("male", "female", None):
        raise ValueError(f"sex {sex!r} is neither male nor female")
    length = lengths[contig]
    if is_mitochondrion(contig):
        return [PloidySegment(start=0, end=length, ploidy=1)]
    if sex == "female" and contig in _Y:
        return [PloidySegment(start=0, end=length, ploidy=0)]
    if sex != "male" or not is_sex_chromosome(contig):
        return [PloidySegment(start=0, end=length, ploidy=2)]
    x_length = next((lengths[name] for name in _X if name in lengths), 0)
    regions, ploidy_in_par = (_PAR_OF_X, 2) if contig in _X else (_PAR_OF_Y, 0)
    segments, at = [], 0
    for start, end in regions.get(x_length, ()):
        segments.append(PloidySegment(start=at, end=start, ploidy=1))
        segments.append(PloidySegment(start=start, end=end, ploidy=ploidy_in_par))
        at = end
    segments.append(PloidySegment(start=at, end=length, ploidy=1))
    return [segment for segment in segments if segment.start < segment.end]
