"""Recall and precision by kind and size of the variant and by the repeat it lies in, for one truth set.

    python benchmarks/contexts.py --compare ../shared/tools/compare_vcf.py --reference chr20.fa \\
        --truth truth.vcf.gz --bed confident.bed baselake=ours.vcf.gz bcftools=theirs.vcf.gz:20

Calls count where FILTER is PASS or empty and QUAL is at least what follows the file's name, if anything does.

A variant is in a homopolymer where 6 bases alike follow its anchor (or hold a substitution), in a tandem repeat where
4 copies of a unit of 2 to 6 bases do, clustered where another one lies within 20 bases, multi-allelic where it has two
alternates. The comparison script's limits hold: it takes variants within 30 bases together, so one error in a long
repeat may spoil what is right beside it, and a record stands or falls with all of its alternates.
"""

import argparse
import subprocess
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pysam

_LONGEST_UNIT = 6
_LONGEST_TRACT = 60  # bases that are looked at
_SHORTEST_HOMOPOLYMER, _COPIES = 6, 4
_NEAR = 20  # bases
SIZES = ((0, "substitution"), (1, "1"), (4, "2-4"), (15, "5-15"), (10**9, "16+"))
CONTEXTS = ("none", "homopolymer 6-9", "homopolymer 10-14", "homopolymer 15+", "repeat of 2", "repeat of 3-6")
Record = tuple[str, int, str, tuple[str, ...]]
"""Contig, 0-based start, REF, and the called alleles: one for each copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Variants of some kind, how many were found, and what was called wrongly.

    Attributes:
        truth: records there are.
        missed: of them.
        false: records called that are not there, or with another genotype.
    """

    truth: int
    missed: int
    false: int

    @property
    def recall(self) -> float | None:
        """Share of the truth that was found; None where there is none."""
        return (self.truth - self.missed) / self.truth if self.truth else None

    @property
    def precision(self) -> float | None:
        """Share of what was called that is right; None where nothing was called."""
        called = self.truth - self.missed + self.false
        return (self.truth - self.missed) / called if called else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of recall and precision; None where there is no truth."""
        wrong = self.missed + self.false
        right = self.truth - self.missed
        return 2 * right / (2 * right + wrong) if self.truth else None


def main() -> None:
    """Parse arguments and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compare", type=Path, required=True, help="compare_vcf.py")
    parser.add_argument("--reference", type=Path, required=True, help="indexed FASTA")
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--bed", type=Path, required=True, help="where the truth is complete")
    parser.add_argument("calls", nargs="+", metavar="NAME=VCF[:QUAL]")
    arguments = parser.parse_args()
    found = {}
    for named in arguments.calls:
        name, _, path = named.partition("=")
        path, _, qual = path.partition(":")
        found[name] = by_class(
            arguments.compare, arguments.reference, arguments.truth, arguments.bed, Path(path), qual or None
        )
    print("| variant |  | truth |" + "".join(f" {name} recall | precision |" for name in found))
    print("|---|---|---|" + "---|---|" * len(found))
    for key in dict.fromkeys(key for shares in found.values() for key in shares):
        shares = [each[key] for each in found.values() if key in each]
        cells = [shares[0].truth, *(_shown(x) for share in shares for x in (share.recall, share.precision))]
        print(f"| {' | '.join([*key, *map(str, cells)])} |")


def by_class(
    script: Path, reference: Path, truth: Path, bed: Path, calls: Path, least_qual: str | None
) -> dict[tuple[str, str], Share]:
    """Compare a call set with a truth set.

    Args:
        script: compare_vcf.py.
        reference: indexed FASTA.
        truth: VCF.
        bed: where the truth is complete.
        calls: VCF.
        least_qual: calls under this QUAL do not count.

    Returns:
        Shares by a division of all variants and its class: `kind` SNV and indel; `size`; `SNV in` and `indel in` a
        context; `other` clustered and multi-allelic.
    """
    with pysam.FastaFile(str(reference)) as fasta:
        everything = list(records(truth, read_bed(bed)))
        places = sorted((contig, start) for contig, start, _, _ in everything)
        wrong = list(_compare(script, reference, truth, bed, calls, least_qual))
        counts = {
            name: Counter(key for record in some for key in classes(fasta, record, places))
            for name, some in (
                ("truth", everything),
                ("FN", [record for what, record in wrong if what == "FN"]),
                ("FP", [record for what, record in wrong if what == "FP"]),
            )
        }
    keys = [("kind", "SNV"), ("kind", "indel"), *(("size", name) for _, name in SIZES)]
    keys += [(f"{kind} in", context) for kind in ("SNV", "indel") for context in CONTEXTS]
    keys += [("other", "clustered"), ("other", "multi-allelic")]
    return {
        key: Share(truth=counts["truth"][key], missed=counts["FN"][key], false=counts["FP"][key])
        for key in keys
        if counts["truth"][key] or counts["FP"][key]
    }


def read_bed(path: Path) -> Iterator[tuple[str, int, int]]:
    """Contig, start and end of each line."""
    for line in path.read_text().splitlines():
        contig, start, end = line.split()[:3]
        yield contig, int(start), int(end)


def records(path: Path, regions: Iterable[tuple[str, int, int]]) -> Iterator[Record]:
    """Every variant that touches a region."""
    wanted = list(regions)
    with pysam.VariantFile(str(path)) as vcf:
        for record in vcf:
            if not any(
                record.contig == contig and record.start < end and record.stop > start
                for contig, start, end in wanted
            ):
                continue
            alleles = tuple(allele for allele in record.samples[0].alleles if allele is not None)
            if any(allele != record.ref for allele in alleles):
                yield record.contig, record.start, str(record.ref), alleles


def classes(
    fasta: pysam.FastaFile, record: Record, places: list[tuple[str, int]]
) -> Iterator[tuple[str, str]]:
    """The classes that a record belongs to, `places` being those of all of the truth, sorted."""
    contig, start, ref, alleles = record
    size = max(abs(len(allele) - len(ref)) for allele in alleles)
    kind = "indel" if size else "SNV"
    yield "kind", kind
    yield "size", next(name for most, name in SIZES if size <= most)
    yield f"{kind} in", context(fasta, contig, start + bool(size), before=not size)
    low, high = bisect_left(places, (contig, start - _NEAR)), bisect_left(places, (contig, start + _NEAR + 1))
    if any(place != start for _, place in places[low:high]):
        yield "other", "clustered"
    if len({allele for allele in alleles if allele != ref}) > 1:
        yield "other", "multi-allelic"


def context(fasta: pysam.FastaFile, contig: str, at: int, *, before: bool) -> str:
    """The repeat that begins at a base, or (before) holds it."""
    low = max(0, at - _LONGEST_TRACT) if before else at
    bases = fasta.fetch(contig, low, at + _LONGEST_TRACT).upper()
    for unit in range(1, _LONGEST_UNIT + 1):
        first = last = at - low
        while last < len(bases) and (last - first < unit or bases[last] == bases[last - unit]):
            last += 1
        if before:
            first, last = _tract_around(bases, at - low, unit)
        length = last - first
        if "N" in bases[first:last] or length < (_SHORTEST_HOMOPOLYMER if unit == 1 else unit * _COPIES):
            continue
        if unit == 1:
            return f"homopolymer {'6-9' if length < 10 else '10-14' if length < 15 else '15+'}"
        return "repeat of 2" if unit == 2 else "repeat of 3-6"
    return "none"


def _tract_around(bases: str, at: int, unit: int) -> tuple[int, int]:
    """The longest stretch that holds a base and repeats itself after `unit` bases."""
    best = at, at
    for begin in range(max(0, at - unit + 1), at + 1):
        end = begin + unit
        if end > len(bases):
            continue
        first = begin
        while first > 0 and bases[first - 1] == bases[first - 1 + unit]:
            first -= 1
        while end < len(bases) and bases[end] == bases[end - unit]:
            end += 1
        best = max(best, (first, end), key=lambda found: found[1] - found[0])
    return best


def _compare(
    script: Path, reference: Path, truth: Path, bed: Path, calls: Path, least_qual: str | None
) -> Iterator[tuple[str, Record]]:
    """FN or FP, and the record, of everything that is wrong in a call set."""
    command = [sys.executable, str(script), "--misses", "--reference", str(reference)]
    command += ["--truth", str(truth), "--calls", str(calls), "--bed", str(bed)]
    command += ["--min-qual", least_qual] if least_qual else []
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    for line in ran.stdout.splitlines():
        fields = line.split("\t")
        if fields[0] in ("FN", "FP"):
            yield fields[0], (fields[1], int(fields[2]) - 1, fields[3], tuple(fields[4].split("/")))


def _shown(share: float | None) -> str:
    return "-" if share is None else f"{share:.4f}"


if __name__ == "__main__":
    main()
