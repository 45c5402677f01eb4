"""Whether qualities are true and filters earn their place, on calls of windows whose truth is complete.

    python benchmarks/calibration.py --compare ../shared/tools/compare_vcf.py --fasta .cache/chr20.fa \\
        --plots docs/accuracy .cache/planted/free30 .cache/planted/pcr30

Of all records, filtered or not, those are false that `compare_vcf.py --all-filters` counts so. QUAL is about the
alternates alone, GQ about the genotype too: for QUAL a record is false where the truth has none of its alternates. Of a
filter counts what it removes alone: records that fail no other one. Writes `calibration.md`.
"""

import argparse
import math
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pysam
from contexts import read_bed
from plots import lines

_BINS = (0, 10, 20, 30, 50, 80, 99, 200, 10_001)
_FEWEST = 20  # records of a bin, to be plotted


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A called record.

    Attributes:
        indel: whether its length changes.
        qual, gq: phred.
        filters: that it fails.
        wrong: its genotype is not the truth's.
        absent: none of its alternates is in the truth.
    """

    indel: bool
    qual: float
    gq: int
    filters: frozenset[str]
    wrong: bool
    absent: bool


def main() -> None:
    """Parse arguments, label records, write tables and plots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compare", type=Path, required=True, help="compare_vcf.py")
    parser.add_argument("--fasta", type=Path, required=True)
    parser.add_argument("--plots", type=Path, help="folder for SVG files")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("folders", type=Path, nargs="+", help="of planted.py")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    by_set = {
        folder.name: list(labelled(arguments.compare, arguments.fasta, folder))
        for folder in arguments.folders
    }
    everything = [record for records in by_set.values() for record in records]
    text = "\n".join([*quality_table(everything), "", *filter_table(by_set)]) + "\n"
    (arguments.output / "calibration.md").write_text(text)
    print(text)
    if arguments.plots:
        (arguments.plots / "calibration.svg").write_text(plotted(everything))


def labelled(script: Path, fasta: Path, folder: Path) -> Iterator[Labelled]:
    """The records of a set's calls within its confident regions."""
    bed, calls, truth = folder / "confident.bed", folder / "baselake.vcf.gz", folder / "truth.vcf.gz"
    command = [sys.executable, str(script), "--misses", "--all-filters", "--reference", str(fasta)]
    command += ["--truth", str(truth), "--calls", str(calls), "--bed", str(bed)]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL)
    shown = [line.split("\t") for line in ran.stdout.splitlines()]
    wrong = {(fields[1], int(fields[2]), fields[3]) for fields in shown if fields[0] == "FP"}
    planted = {key for record in _records(truth, bed) for key in _alternates(record)}
    for record in _records(calls, bed):
        yield Labelled(
            indel=any(len(allele) != len(str(record.ref)) for allele in record.alts or ()),
            qual=float(record.qual or 0),
            gq=int(record.samples[0]["GQ"]),
            filters=frozenset(record.filter.keys()) - {"PASS"},
            wrong=(record.contig, record.pos, str(record.ref)) in wrong,
            absent=(record.contig, record.pos, str(record.ref)) in wrong
            and not any(key in planted for key in _alternates(record)),
        )


def _records(path: Path, bed: Path) -> Iterator[pysam.VariantRecord]:
    regions = list(read_bed(bed))
    with pysam.VariantFile(str(path)) as vcf:
        for record in vcf:
            if any(
                record.contig == contig and record.start < end and record.stop > start
                for contig, start, end in regions
            ):
                yield record


def _alternates(record: pysam.VariantRecord) -> Iterator[tuple[int, str, str]]:
    """Each alternate by itself, without what it shares with the reference."""
    for alt in record.alts or ():
        ref, start = str(record.ref), record.start
        while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
            ref, alt = ref[:-1], alt[:-1]
        while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
            ref, alt, start = ref[1:], alt[1:], start + 1
        yield start, ref, alt


def quality_table(records: Sequence[Labelled]) -> Iterator[str]:
    """Of records that pass or are filtered for QUAL alone: how often they are false, by QUAL and by GQ."""
    kept = [record for record in records if record.filters <= {"low_qual"}]
    yield "| reported | SNVs by QUAL | absent | indels by QUAL | absent | SNVs by GQ | wrong | indels by GQ | wrong |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for low, high in pairwise(_BINS):
        cells = []
        for by_qual in (True, False):
            for indel in (False, True):
                chosen = [
                    record
                    for record in kept
                    if record.indel == indel and low <= (record.qual if by_qual else record.gq) < high
                ]
                false = sum(record.absent if by_qual else record.wrong for record in chosen)
                cells += [str(len(chosen)), _observed(false, len(chosen))]
        yield f"| {low} to {high - 1} | {' | '.join(cells)} |"


def _observed(false: int, count: int) -> str:
    if not count:
        return "-"
    shown = f"{-10 * math.log10(false / count):.0f}" if false else f"over {10 * math.log10(count):.0f}"
    return f"{false}: {shown}"


def filter_table(by_set: Mapping[str, Iterable[Labelled]]) -> Iterator[str]:
    """What each filter removes, and what it alone does: true and false records of every set."""
    yield f"| filter | {' | '.join(by_set)} |"
    yield "|---" * (1 + len(by_set)) + "|"
    names = sorted({name for records in by_set.values() for record in records for name in record.filters})
    counts: dict[str, Counter[tuple[str, bool, bool]]] = defaultdict(Counter)
    for folder, records in by_set.items():
        for record in records:
            for name in record.filters:
                counts[name][folder, record.wrong, len(record.filters) == 1] += 1
    for name in names:
        found = counts[name]
        cells = [
            f"{found[folder, True, True]} false, {found[folder, False, True]} true alone;"
            f" {found[folder, True, False]}, {found[folder, False, False]} with others"
            for folder in by_set
        ]
        yield f"| `{name}` | {' | '.join(cells)} |"


def plotted(records: Sequence[Labelled]) -> str:
    """How often genotypes are right by the GQ they have, beside what it says."""
    kept = [record for record in records if record.filters <= {"low_qual"}]
    points = []
    for low in range(0, 100, 10):
        chosen = [record for record in kept if low <= record.gq < low + 10]
        if len(chosen) >= _FEWEST:
            share = sum(not record.wrong for record in chosen) / len(chosen)
            points.append((sum(record.gq for record in chosen) / len(chosen), share))
    said = [(gq, 1 - 10 ** (-gq / 10)) for gq, _ in points]
    return lines(
        "Genotypes that are right, by GQ", {"as it turns out": points, "as GQ says": said}, x="GQ", y="share"
    )


if __name__ == "__main__":
    main()
