"""Alleles planted into a mitochondrion at known fractions, called by three callers.

    python benchmarks/heteroplasmy.py --data ../shared/data --depth 200 --depth 1000 --depth 5000

The genome is 16,569 bases of human chromosome 20, taken for a circle and named MT; qualities and errors are those of
real reads (`observed_reads.py`). Alleles of one fraction lie on the same molecules. Callers get the same alignments, of
bwa mem to the linear sequence. Alleles are compared one by one, normalised by `bcftools norm`. Calls of baselake
count where FILTER is PASS, those of freebayes as it writes them and where QUAL is at least 20, all where their own
fraction is at least half of the least that was planted. Writes `heteroplasmy.md`.
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam
from accuracy import run_baselake
from datasets import Dataset
from simulate_human import REFERENCE, align, observed_profile, read_contig

from baselake.demo.fragments import Library
from baselake.demo.genome import ACGT, Bases, write_fasta
from baselake.demo.reads import Run, simulate_run
from baselake.demo.variants import Allele, haplotype, normalise, without_overlaps
from baselake.progress import LogProgress

_CONTIG, _LENGTH, _FROM = "MT", 16_569, 24_000_000
FRACTIONS = (0.02, 0.03, 0.05, 0.1, 0.2, 0.4)
"""Of the copies; what is left has only what all have."""
_STEP = 130  # bases from one allele to the next
_INDELS = 0.25  # of the alleles
_OF_ALL = 1.0
_LEAST_QUAL = 20
_SAMPLE = "MTSIM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """An allele and the fraction of the copies that has it."""

    allele: Allele
    fraction: float


def main() -> None:
    """Parse arguments; plant, sequence, call, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of real sequencing data")
    parser.add_argument("--depth", type=float, action="append", required=True)
    parser.add_argument("--profile", choices=("platinum", "trio"), default="trio")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for alignments and calls")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    bases = read_contig(REFERENCE)[1][_FROM : _FROM + _LENGTH]
    planted = plant(bases, arguments.seed)
    lines = ["| depth | caller | s | false | " + " | ".join(map(_percent, (*FRACTIONS, _OF_ALL))) + " |"]
    lines.append("|---" * (4 + len(FRACTIONS) + 1) + "|")
    for depth in arguments.depth:
        with tempfile.TemporaryDirectory() as temporary:
            folder = (arguments.keep or Path(temporary)) / f"{depth:g}x"
            dataset = sequence(
                arguments.data, arguments.profile, bases, planted, depth, arguments.seed, folder
            )
            for name, (calls, seconds) in call(dataset, folder).items():
                found, false = compare(planted, calls, dataset.fasta)
                print(depth, name, len(false), "false, as", false[:5])
                cells = [f"{depth:g}x", name, f"{seconds:.1f}", str(len(false)), *found]
                lines.append(f"| {' | '.join(cells)} |")
    (arguments.output / "heteroplasmy.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def plant(bases: Bases, seed: int) -> list[Planted]:
    """Alleles every 130 bases, from one end of the sequence to the other; the fractions take turns."""
    rng = np.random.default_rng(seed)
    copies = len(FRACTIONS) + 1
    alleles = []
    for turn, place in enumerate(range(20, bases.size - 20, _STEP)):
        which = turn % copies
        carried = tuple(int(which in (copy, len(FRACTIONS))) for copy in range(copies))
        anchor = chr(bases[place])
        ref, alt = anchor, str(rng.choice([base for base in "ACGT" if base != anchor]))
        size = int(rng.integers(1, 4))
        if rng.random() < _INDELS:
            if rng.random() < 0.5:
                alt = anchor + rng.choice(ACGT, size).tobytes().decode()
            else:
                ref, alt = bases[place : place + 1 + size].tobytes().decode(), anchor
        start, ref, alt = normalise(bases, place, ref, alt)
        alleles.append(Allele(contig=_CONTIG, start=start, ref=ref, alt=alt, copies=carried))
    return [
        Planted(allele=one, fraction=_OF_ALL if all(one.copies) else FRACTIONS[one.copies.index(1)])
        for one in without_overlaps(alleles)
    ]


def sequence(
    data: Path,
    profile: str,
    bases: Bases,
    planted: Sequence[Planted],
    depth: float,
    seed: int,
    folder: Path,
) -> Dataset:
    """Reads of the planted molecules and their alignments, made where absent."""
    fasta = folder / "reference.fa"
    if not (folder / "bwa.bam.bai").exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_fasta(fasta, {_CONTIG: bases})
        pysam.faidx(str(fasta))
        alleles = [one.allele for one in planted]
        fractions = [*FRACTIONS, 1 - sum(FRACTIONS)]
        observed = observed_profile(data, profile)
        library = Library(mean_length=observed.insert_mean, sd_length=observed.insert_sd, slippage=1)
        reads = simulate_run(
            folder,
            _SAMPLE,
            [circle(haplotype(bases, alleles, copy)) for copy in range(len(fractions))],
            [depth * fraction / 2 for fraction in fractions],
            run=Run(read_length=observed.read_length, quality=observed, library=library),
            seed=seed,
            progress=LogProgress(),
        )
        align(fasta, folder, reads, _SAMPLE)
    return Dataset(
        name=folder.name, sample=_SAMPLE, fasta=fasta, reads=(), bam=folder / "bwa.bam", truth=fasta, beds=()
    )


def circle(bases: Bases) -> Bases:
    """Twice around, from the place opposite the origin, where coverage falls off at both ends."""
    middle = bases.size // 2
    once = np.concatenate([bases[middle:], bases[:middle]])
    return np.concatenate([once, once])


def call(dataset: Dataset, folder: Path) -> dict[str, tuple[Path, float]]:
    """Calls of each caller and the seconds that it took, all commands of baselake together."""
    mixed = (
        f"freebayes -f {dataset.fasta} --pooled-continuous -F 0.01 -C 2 --haplotype-length 0 {dataset.bam}"
    )
    scripts = {
        "freebayes": f"{mixed} | bcftools view -Oz -o",
        f"freebayes, QUAL {_LEAST_QUAL}": f"bcftools view -i 'QUAL>={_LEAST_QUAL}' {folder}/freebayes.vcf.gz -Oz -o",
        "bcftools": f"bcftools mpileup -d 100000 -a AD,DP -f {dataset.fasta} {dataset.bam}"
        " | bcftools call --ploidy 1 -mv -Oz -o",
    }
    found = {}
    with tempfile.TemporaryDirectory(dir=folder) as work:
        began = time.monotonic()
        made = run_baselake(dataset, [dataset.bam], Path(work) / "baselake")
        found["baselake"] = folder / "baselake.vcf.gz", time.monotonic() - began
        made.rename(found["baselake"][0])
    for name, script in scripts.items():
        path = folder / f"{name.replace(', ', '-').replace(' ', '')}.vcf.gz"
        began = time.monotonic()
        subprocess.run(
            ["bash", "-eo", "pipefail", "-c", f"{script} {path}"], check=True, stderr=subprocess.DEVNULL
        )
        found[name] = path, time.monotonic() - began
    return found


def compare(planted: Sequence[Planted], calls: Path, fasta: Path) -> tuple[list[str], list[str]]:
    """Of each fraction how many were found and the root mean square error of theirs; and what is false."""
    truth = {(one.allele.start, one.allele.ref, one.allele.alt): one.fraction for one in planted}
    called = {
        key: fraction for key, fraction in alleles_of(calls, fasta) if fraction >= min(truth.values()) / 2
    }
    cells = []
    for wanted in (*FRACTIONS, _OF_ALL):
        keys = [key for key, fraction in truth.items() if fraction == wanted]
        off = [called[key] - wanted for key in keys if key in called]
        error = f", {np.sqrt(np.mean(np.square(off))):.3f}" if off else ""
        cells.append(f"{len(off)} of {len(keys)}{error}")
    false = [
        f"{start + 1}{ref}>{alt}={fraction:.3f}"
        for (start, ref, alt), fraction in called.items()
        if (start, ref, alt) not in truth
    ]
    return cells, false


def alleles_of(calls: Path, fasta: Path) -> Iterator[tuple[tuple[int, str, str], float]]:
    """Each alternate that passes, in its normal form, and its fraction: AF, or its share of AD."""
    normal = subprocess.run(
        [
            "bash",
            "-c",
            f"bcftools norm -a -m- -f {fasta} {calls} 2>/dev/null || bcftools norm -m- -f {fasta} {calls}",
        ],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with tempfile.NamedTemporaryFile(suffix=".vcf") as text:
        text.write(normal.stdout)
        text.flush()
        with pysam.VariantFile(text.name) as vcf:
            for record in vcf:
                sample = record.samples[0]
                if record.alts is None or (record.filter.keys() and "PASS" not in record.filter):
                    continue
                depths = [depth or 0 for depth in sample["AD"]]
                fraction = sample["AF"][0] if "AF" in sample else depths[1] / max(1, sum(depths))
                yield (record.start, str(record.ref), record.alts[0]), float(fraction)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:g}%"


if __name__ == "__main__":
    main()
