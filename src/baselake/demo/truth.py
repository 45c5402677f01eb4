"""Called variants against planted ones, haplotype by haplotype.

The same change can be spelled in several ways (an SNV beside a deletion, say), so alleles that stand close
together are compared as the sequences they spell: when some phasing of the calls gives exactly the planted
haplotypes, all of them are right. Elsewhere an allele is right when a call has the same normal form and the
same number of copies.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from baselake.demo.genome import Bases
from baselake.demo.variants import Allele, haplotype, without_overlaps

KINDS = ("snv", "insertion", "deletion")
_CLUSTER_GAP = 30  # bases of reference between two clusters
_MOST_PHASINGS = 1024
_FLANK = 10  # bases of reference spelled to either side of a cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well one kind of variant was called.

    Attributes:
        kind: `snv`, `insertion` or `deletion`, as in the column `type` of `variants`.
        planted: alleles that are there.
        found: planted alleles called with the right number of copies.
        called: alleles called.
        right: called alleles that are there with that number of copies.
        wrong_genotype: called alleles that are there with another number of copies; not counted in `right`.
    """

    kind: str
    planted: int
    found: int
    called: int
    right: int
    wrong_genotype: int

    @property
    def recall(self) -> float:
        """Share of planted alleles that were found; 1 where none is planted."""
        return self.found / self.planted if self.planted else 1.0

    @property
    def precision(self) -> float:
        """Share of called alleles that are right; 1 where none is called."""
        return self.right / self.called if self.called else 1.0


def compare(planted: Sequence[Allele], called: pa.Table, genome: Mapping[str, Bases]) -> list[Score]:
    """Score calls against the planted truth.

    Args:
        planted: every allele that is there.
        called: rows of one sample with the columns contig, start, ref, alt, alt_copies and gt, as in `calls`.
        genome: ASCII reference bases by contig.

    Returns:
        One score for each of `KINDS`; an allele of another type counts with the kind that its lengths say.
    """
    calls = [
        _called_allele(row)
        for row in called.select(["contig", "start", "ref", "alt", "gt", "alt_copies"]).to_pylist()
        if row["alt_copies"]
    ]
    names = ("planted", "found", "called", "right", "wrong_genotype")
    counts = {kind: dict.fromkeys(names, 0) for kind in KINDS}
    for truth, seen in _clusters(planted, calls):
        same = _spell_the_same(truth, seen, genome)
        genotypes = {_key(allele): sum(allele.copies) for allele in seen}
        planted_genotypes = {_key(allele): sum(allele.copies) for allele in truth}
        for allele in truth:
            count = counts[_kind(allele)]
            count["planted"] += 1
            count["found"] += same or genotypes.get(_key(allele)) == sum(allele.copies)
        for allele in seen:
            count = counts[_kind(allele)]
            copies = planted_genotypes.get(_key(allele))
            right = same or copies == sum(allele.copies)
            count["called"] += 1
            count["right"] += right
            count["wrong_genotype"] += not right and copies is not None
    return [Score(kind=kind, **count) for kind, count in counts.items()]


def _called_allele(row: Mapping[str, object]) -> Allele:
    """A row of `calls` as an allele; which copies carry it is unknown, so the first ones do."""
    ploidy = len(str(row["gt"]).replace("|", "/").split("/"))
    copies = int(str(row["alt_copies"]))
    return Allele(
        contig=str(row["contig"]),
        start=int(str(row["start"])),
        ref=str(row["ref"]),
        alt=str(row["alt"]),
        copies=(1,) * copies + (0,) * (ploidy - copies),
    )


def _key(allele: Allele) -> tuple[str, int, str, str]:
    return allele.contig, allele.start, allele.ref, allele.alt


def _kind(allele: Allele) -> str:
    if len(allele.alt) == len(allele.ref):
        return "snv"
    return "insertion" if len(allele.alt) > len(allele.ref) else "deletion"


def _clusters(
    planted: Sequence[Allele], calls: Sequence[Allele]
) -> Iterator[tuple[list[Allele], list[Allele]]]:
    """Planted and called alleles that stand close together, by contig and place."""
    tagged = [(allele.contig, allele.start, 0, allele) for allele in planted]
    tagged += [(allele.contig, allele.start, 1, allele) for allele in calls]
    tagged.sort(key=lambda entry: entry[:3])
    cluster: tuple[list[Allele], list[Allele]] = ([], [])
    contig, end = "", 0
    for name, start, side, allele in tagged:
        if name != contig or start > end + _CLUSTER_GAP:
            if cluster[0] or cluster[1]:
                yield cluster
            cluster = ([], [])
            contig, end = name, 0
        cluster[side].append(allele)
        end = max(end, start + len(allele.ref))
    if cluster[0] or cluster[1]:
        yield cluster


def _spell_the_same(truth: Sequence[Allele], seen: Sequence[Allele], genome: Mapping[str, Bases]) -> bool:
    """Whether some phasing of the calls spells the planted haplotypes."""
    if not truth or not seen:
        return False
    ploidy = len(truth[0].copies)
    if any(len(allele.copies) != ploidy for allele in seen):
        return False
    both = [*truth, *seen]
    bases = genome[truth[0].contig]
    begin = max(0, min(allele.start for allele in both) - _FLANK)
    end = min(bases.size, max(allele.start + len(allele.ref) for allele in both) + _FLANK)
    window = bases[begin:end]
    wanted = sorted(haplotype(window, list(truth), copy, offset=begin).tobytes() for copy in range(ploidy))
    arrangements = [sorted(set(itertools.permutations(allele.copies))) for allele in seen]
    phasings = itertools.islice(itertools.product(*arrangements), _MOST_PHASINGS)
    return any(_spelled(window, begin, seen, phasing) == wanted for phasing in phasings)


def _spelled(
    window: Bases, begin: int, alleles: Sequence[Allele], phasing: Sequence[tuple[int, ...]]
) -> list[bytes] | None:
    """The haplotypes of one phasing, sorted; None where two alleles fall on one another."""
    phased = [
        Allele(contig=allele.contig, start=allele.start, ref=allele.ref, alt=allele.alt, copies=copies)
        for allele, copies in zip(alleles, phasing, strict=True)
    ]
    if len(without_overlaps(phased)) != len(phased):
        return None
    phased.sort(key=lambda allele: allele.start)
    return sorted(haplotype(window, phased, copy, offset=begin).tobytes() for copy in range(len(phasing[0])))
