"""Known variants: planted at random or taken from a VCF, and spelled into haplotypes.

An `Allele` is one alternate in its normal form (left-aligned, trimmed, an indel keeping one anchor base) with
the copies of the chromosome that carry it, so two alternates of a multi-allelic site are two alleles.
Coordinates are 0-based; VCF's 1-based POS appears only in text.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from baselake.demo.genome import ACGT, Bases
from baselake.demo.tracts import repeat_tracts


@dataclass(frozen=True, slots=True, kw_only=True)
class Allele:
    """One planted alternate allele.

    Attributes:
        contig: name of the contig.
        start: 0-based place of the first base of `ref`.
        ref: reference bases, at least one.
        alt: alternate bases, at least one.
        copies: for each copy of the chromosome, 1 where it carries the allele; `(0, 1)` is VCF's `0|1`.
    """

    contig: str
    start: int
    ref: str
    alt: str
    copies: tuple[int, ...]

    @property
    def kind(self) -> str:
        """`snv`, `insertion`, `deletion` or `complex`, as the column `type` of `variants` has it."""
        if len(self.ref) == len(self.alt) == 1:
            return "snv"
        if len(self.ref) == 1:
            return "insertion"
        return "deletion" if len(self.alt) == 1 else "complex"

    @property
    def edit(self) -> tuple[int, int]:
        """The replaced bases without the anchor, 0-based half-open; empty for an insertion."""
        anchored = len(self.ref) != len(self.alt) and self.ref[0] == self.alt[0]
        return self.start + anchored, self.start + len(self.ref)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRates:
    """How many variants are planted, per base unless stated.

    Attributes:
        snv: single-nucleotide variants; human heterozygosity gives about 1e-3.
        indel: insertions and deletions in ordinary sequence, about an eighth of the SNVs.
        cluster: SNVs that are followed by others within 25 bases, as a share of SNVs.
        tract: share of homopolymers and STRs whose length varies.
        homozygous: share of alleles on both copies.
        transition: share of SNVs that are transitions; 2/3 gives a ti/tv of 2.
    """

    snv: float = 1e-3
    indel: float = 1.2e-4
    cluster: float = 0.05
    tract: float = 0.08
    homozygous: float = 0.38
    transition: float = 2 / 3


def plant(
    contig: str, bases: Bases, *, ploidy: int, rates: VariantRates, seed: int, taken: Sequence[Allele] = ()
) -> list[Allele]:
    """Draw variants for one contig.

    Args:
        contig: its name.
        bases: its ASCII bases.
        ploidy: copies of the contig in this person, 1 or 2.
        rates: how many of which sort.
        seed: the same seed plants the same variants.
        taken: alleles that are there already; new ones keep clear of them.

    Returns:
        `taken` and the new alleles, by start. No two touch on the same copy.
    """
    rng = np.random.default_rng(seed)
    drawn = list(_draw_tract_changes(rng, contig, bases, ploidy, rates))
    drawn += _draw_snvs(rng, contig, bases, ploidy, rates)
    drawn += _draw_indels(rng, contig, bases, ploidy, rates)
    return without_overlaps([*taken, *drawn])


def without_overlaps(alleles: Iterable[Allele]) -> list[Allele]:
    """Keep those alleles, first come first served, that touch no other on a copy they share.

    Returns:
        The alleles kept, by start.
    """
    blocked: dict[tuple[str, int], set[int]] = {}
    kept = []
    for allele in alleles:
        # One base to either side keeps two edits from joining into one variant of another spelling.
        start, end = allele.edit
        touched = range(start - 1, end + 1)
        copies = [i for i, carried in enumerate(allele.copies) if carried]
        used = [blocked.setdefault((allele.contig, copy), set()) for copy in copies]
        if any(not places.isdisjoint(touched) for places in used):
            continue
        for places in used:
            places.update(touched)
        kept.append(allele)
    return sorted(kept, key=lambda allele: (allele.start, allele.ref, allele.alt))


def haplotype(bases: Bases, alleles: Sequence[Allele], copy: int, *, offset: int = 0) -> Bases:
    """Spell one copy of a contig.

    Args:
        bases: ASCII reference bases.
        alleles: alleles of this contig by start, as `without_overlaps` returns them.
        copy: which copy of the chromosome.
        offset: place on the contig of `bases[0]`.

    Returns:
        ASCII bases of the copy.

    Raises:
        ValueError: an allele's `ref` is not what `bases` has there.
    """
    pieces = []
    at = 0
    for allele in alleles:
        if not allele.copies[copy]:
            continue
        start = allele.start - offset
        there = bases[start : start + len(allele.ref)].tobytes().decode()
        if there != allele.ref:
            raise ValueError(f"{allele.contig}:{allele.start}: reference has {there}, allele {allele.ref}")
        pieces += [bases[at:start], np.frombuffer(allele.alt.encode(), dtype=np.uint8)]
        at = start + len(allele.ref)
    return np.concatenate([*pieces, bases[at:]])


def normalise(bases: Bases, start: int, ref: str, alt: str, *, offset: int = 0) -> tuple[int, str, str]:
    """Trim an allele and shift an indel to its leftmost place.

    Source: Tan, Abecasis and Kang, "Unified representation of genetic variants", Bioinformatics 2015.

    Args:
        bases: ASCII reference bases around the allele.
        start: 0-based place of `ref` on the contig.
        ref: reference bases.
        alt: alternate bases.
        offset: place on the contig of `bases[0]`.

    Returns:
        Start, ref and alt of the normal form.
    """
    while True:
        if ref and alt and ref[-1] == alt[-1] and (len(ref) > 1 or len(alt) > 1):
            ref, alt = ref[:-1], alt[:-1]
        elif not ref or not alt:
            if start == offset:
                break
            start -= 1
            before = chr(bases[start - offset])
            ref, alt = before + ref, before + alt
        else:
            break
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        start, ref, alt = start + 1, ref[1:], alt[1:]
    return start, ref, alt


def read_vcf(path: Path, contig: str, start: int, end: int, bases: Bases) -> list[Allele]:
    """Take the alleles of the first sample of a VCF inside a window.

    Unphased heterozygous alleles go on the copy that GT names them on. A record without a call is skipped.

    Args:
        path: VCF, indexed.
        contig: name of the contig in VCF and window.
        start: first base of the window, 0-based.
        end: base after the last.
        bases: ASCII reference bases of the window.

    Returns:
        Normalised alleles that do not overlap, by start.
    """
    import pysam

    alleles = []
    with pysam.VariantFile(str(path)) as vcf:
        for record in vcf.fetch(contig, start, end):
            called = record.samples[0].allele_indices or ()
            inside = start <= record.start and record.stop <= end
            if not inside or None in called or record.ref is None or record.alleles is None:
                continue
            for index in sorted({index for index in called if index}):
                place, ref, alt = normalise(
                    bases, record.start, record.ref, record.alleles[index], offset=start
                )
                copies = tuple(int(one == index) for one in called)
                alleles.append(Allele(contig=contig, start=place, ref=ref, alt=alt, copies=copies))
    return without_overlaps(alleles)


def write_vcf(path: Path, alleles: Sequence[Allele], lengths: Mapping[str, int], sample: str) -> None:
    """Write alleles as a bgzipped, indexed VCF 4.3 with phased genotypes.

    Alleles that start at one place are joined into one record.

    Args:
        path: file to write, ending in `.vcf.gz`.
        alleles: alleles in any order.
        lengths: length of every contig, in order.
        sample: name of the one sample.
    """
    import pysam

    order = {contig: rank for rank, contig in enumerate(lengths)}
    ordered = sorted(alleles, key=lambda allele: (order[allele.contig], allele.start))
    plain = path.with_suffix("")
    with plain.open("w") as vcf:
        vcf.write("##fileformat=VCFv4.3\n")
        vcf.write('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n')
        for contig, length in lengths.items():
            vcf.write(f"##contig=<ID={contig},length={length}>\n")
        vcf.write(f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{sample}\n")
        for (contig, start), site in groupby(ordered, key=lambda allele: (allele.contig, allele.start)):
            together = list(site)
            ref = max((allele.ref for allele in together), key=len)
            genotype = [0] * len(together[0].copies)
            alts: list[str] = []
            for allele in together:
                alts.append(allele.alt + ref[len(allele.ref) :])
                for copy, carried in enumerate(allele.copies):
                    if carried:
                        genotype[copy] = len(alts)
            text = "|".join(map(str, genotype))
            vcf.write(f"{contig}\t{start + 1}\t.\t{ref}\t{','.join(alts)}\t.\tPASS\t.\tGT\t{text}\n")
    pysam.tabix_compress(str(plain), str(path), force=True)
    pysam.tabix_index(str(path), preset="vcf", force=True)
    plain.unlink()


def _draw_snvs(
    rng: np.random.Generator, contig: str, bases: Bases, ploidy: int, rates: VariantRates
) -> Iterator[Allele]:
    for place in rng.integers(1, bases.size - 1, int(bases.size * rates.snv)):
        cluster = [int(place)]
        if rng.random() < rates.cluster:
            cluster += [int(place + step) for step in np.cumsum(rng.integers(2, 12, int(rng.integers(1, 4))))]
        for start in cluster:
            if start >= bases.size or bases[start] == ord("N"):
                continue
            ref = chr(bases[start])
            if rng.random() < rates.transition:
                alt = {"A": "G", "G": "A", "C": "T", "T": "C"}[ref]
            else:
                alt = str(rng.choice(list("CT" if ref in "AG" else "AG")))
            copies = _copies(rng, ploidy, rates)
            yield Allele(contig=contig, start=start, ref=ref, alt=alt, copies=copies)


def _draw_indels(
    rng: np.random.Generator, contig: str, bases: Bases, ploidy: int, rates: VariantRates
) -> Iterator[Allele]:
    for place in rng.integers(100, bases.size - 100, int(bases.size * rates.indel)):
        start = int(place)
        length = min(50, int(rng.geometric(0.35)))
        anchor = chr(bases[start])
        if rng.random() < 0.5:
            inserted = rng.choice(ACGT, length).tobytes().decode()
            ref, alt = anchor, anchor + inserted
        else:
            ref, alt = bases[start : start + length + 1].tobytes().decode(), anchor
        if "N" in ref:
            continue
        start, ref, alt = normalise(bases, start, ref, alt)
        yield Allele(contig=contig, start=start, ref=ref, alt=alt, copies=_copies(rng, ploidy, rates))


def _draw_tract_changes(
    rng: np.random.Generator, contig: str, bases: Bases, ploidy: int, rates: VariantRates
) -> Iterator[Allele]:
    """Length changes of repeats; half of the varying ones differ from the reference on both copies."""
    tracts = repeat_tracts(bases)
    for start, unit, copies in zip(tracts.start, tracts.unit, tracts.copies, strict=True):
        if start < 1 or rng.random() >= rates.tract:
            continue
        changes = [_tract_change(rng, int(copies)) for _ in range(2)]
        both = ploidy == 2 and changes[0] != changes[1] and rng.random() < 0.5
        for which, change in enumerate(changes if both else changes[:1]):
            carried = (int(which == 0), int(which == 1)) if both else _copies(rng, ploidy, rates)
            anchor = chr(bases[start - 1])
            moved = bases[start : start + int(unit) * abs(change)].tobytes().decode()
            ref, alt = (anchor, anchor + moved) if change > 0 else (anchor + moved, anchor)
            place, ref, alt = normalise(bases, int(start) - 1, ref, alt)
            yield Allele(contig=contig, start=place, ref=ref, alt=alt, copies=carried)


def _tract_change(rng: np.random.Generator, copies: int) -> int:
    """Units gained (positive) or lost; mostly one, never the whole tract."""
    units = min(int(rng.geometric(0.65)), copies - 2)
    return units if rng.random() < 0.5 else -units


def _copies(rng: np.random.Generator, ploidy: int, rates: VariantRates) -> tuple[int, ...]:
    if ploidy == 1:
        return (1,)
    if rng.random() < rates.homozygous:
        return (1, 1)
    return (1, 0) if rng.random() < 0.5 else (0, 1)
