"""Recall and precision by size of the variant and by the repeat it lies in, for one truth set and several call sets.

    python benchmarks/contexts.py --compare ../shared/tools/compare_vcf.py --reference chr20.fa \\
        --truth truth.vcf.gz --bed confident.bed baselake=ours.vcf.gz bcftools=theirs.vcf.gz

Calls count where FILTER is PASS or empty and QUAL is at least 20. A variant is in a homopolymer where 6 bases alike
follow its anchor (or hold a substitution), in a tandem repeat where 4 copies of a unit of 2 to 6 bases do.
"""

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pysam

_HOMOPOLYMER, _COPIES, _LONGEST_UNIT = 6, 4, 6
_SIZES = ((1, "1"), (5, "2-5"), (15, "6-15"), (10**9, "16 and more"))
_LEAST_QUAL = "20"


def main() -> None:
    """Parse arguments and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compare", type=Path, required=True, help="compare_vcf.py")
    parser.add_argument("--reference", type=Path, required=True, help="indexed FASTA")
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--bed", type=Path, required=True, help="where the truth is complete")
    parser.add_argument("calls", nargs="+", metavar="NAME=VCF")
    arguments = parser.parse_args()
    with pysam.FastaFile(str(arguments.reference)) as fasta:
        regions = list(read_bed(arguments.bed))
        truth = Counter(class_of(fasta, *record) for record in records(arguments.truth, regions))
        found = {}
        for named in arguments.calls:
            name, _, path = named.partition("=")
            misses = list(compare(arguments, Path(path)))
            counted = {
                what: Counter(class_of(fasta, *record) for kind, *record in misses if kind == what)
                for what in ("FN", "FP")
            }
            found[name] = counted
    print("| variant | context | truth |" + "".join(f" {name} recall | precision |" for name in found))
    print("|---|---|---|" + "---|---|" * len(found))
    for key in sorted(truth | Counter(k for c in found.values() for k in c["FP"])):
        cells = []
        for counted in found.values():
            right = truth[key] - counted["FN"][key]
            recall = f"{right / truth[key]:.4f}" if truth[key] else "-"
            called = right + counted["FP"][key]
            cells += [recall, f"{right / called:.4f}" if called else "-"]
        print(f"| {' | '.join([*key, str(truth[key]), *cells])} |")


def read_bed(path: Path) -> Iterator[tuple[str, int, int]]:
    """Contig, start and end of each line."""
    for line in path.read_text().splitlines():
        contig, start, end = line.split()[:3]
        yield contig, int(start), int(end)


def records(path: Path, regions: Iterable[tuple[str, int, int]]) -> Iterator[tuple[str, int, str, list[str]]]:
    """Contig, 0-based start, REF and called alleles of every variant that touches a region."""
    with pysam.VariantFile(str(path)) as vcf:
        for contig, start, end in regions:
            for record in vcf.fetch(contig, start, end):
                alleles = [allele for allele in record.samples[0].alleles if allele is not None]
                if any(allele != record.ref for allele in alleles):
                    yield record.contig, record.start, str(record.ref), alleles


def compare(arguments: argparse.Namespace, calls: Path) -> Iterator[tuple[str, str, int, str, list[str]]]:
    """FN or FP, and the record, of everything that is wrong in a call set."""
    command = [sys.executable, str(arguments.compare), "--misses", "--min-qual", _LEAST_QUAL]
    command += ["--reference", str(arguments.reference), "--truth", str(arguments.truth)]
    command += ["--calls", str(calls), "--bed", str(arguments.bed)]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in text.splitlines():
        fields = line.split("\t")
        if fields[0] in ("FN", "FP"):
            yield fields[0], fields[1], int(fields[2]) - 1, fields[3], fields[4].split("/")


def class_of(
    fasta: pysam.FastaFile, contig: str, start: int, ref: str, alleles: list[str]
) -> tuple[str, str]:
    """Kind and size of a variant, and the repeat it lies in."""
    size = max(abs(len(allele) - len(ref)) for allele in alleles)
    if not size:
        return "substitution", context(fasta, contig, start, before=True)
    grown = max(alleles, key=lambda allele: abs(len(allele) - len(ref)))
    kind = "insertion" if len(grown) > len(ref) else "deletion"
    named = next(name for most, name in _SIZES if size <= most)
    return f"{kind} of {named}", context(fasta, contig, start + 1, before=False)


def context(fasta: pysam.FastaFile, contig: str, at: int, *, before: bool) -> str:
    """The repeat that begins at a base, or (before) holds it."""
    for unit in range(1, _LONGEST_UNIT + 1):
        least = _HOMOPOLYMER if unit == 1 else unit * _COPIES
        low = max(0, at - least + 1) if before else at
        bases = fasta.fetch(contig, low, at + least).upper()
        for first in range(len(bases) - least + 1):
            tract = bases[first : first + least]
            if "N" not in tract and tract[unit:] == tract[:-unit]:
                return "homopolymer" if unit == 1 else "tandem repeat"
    return "none"


if __name__ == "__main__":
    main()
