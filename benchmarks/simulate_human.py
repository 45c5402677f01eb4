"""Simulate sequencing of a window of human chromosome 20 that carries the real variants of HG001.

The reference is chromosome 20 of b37 as Debian's `vt-examples` package ships it, the variants are those of a
GIAB VCF. Repeat-length variants, which GIAB leaves out of its confident regions, are planted besides. Reads
come from the window alone and are meant to be aligned to the whole chromosome, so that repeats mislead them.

    python benchmarks/simulate_human.py --truth HG001.vcf.gz --window 20:35,000,001-36,000,000 \\
        --fasta chr20.fa -o FOLDER
"""

import argparse
import dataclasses
import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pysam

from baselake.demo.fragments import Library
from baselake.demo.genome import Bases, write_fasta
from baselake.demo.quality import HISEQ, NOVASEQ
from baselake.demo.reads import Run, simulate_run
from baselake.demo.variants import VariantRates, haplotype, plant, read_vcf, write_vcf
from baselake.lake.region import Region, parse_region
from baselake.progress import LogProgress

REFERENCE = Path("/usr/share/doc/vt/examples/ref/20.fa.gz")
_MARGIN = 1_000  # bases at either end of the window where coverage falls off
_CONTEXT = 600  # bases of N that disqualify what is beside them

# Only lengths of repeats are added to the real variants: they are what the truth set lacks.
_ADDED = VariantRates(snv=0, indel=0, tract=0.02)
_PROFILES = {"hiseq": (HISEQ, 101), "novaseq": (NOVASEQ, 150)}


def main() -> None:
    """Parse arguments and write `truth.vcf.gz`, `confident.bed`, FASTQ and, on request, a BAM."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, default=REFERENCE, help="gzipped FASTA of the chromosome")
    parser.add_argument(
        "--fasta", type=Path, required=True, help="where the plain FASTA is, or is to be written"
    )
    parser.add_argument("--truth", type=Path, required=True, help="VCF of the person, indexed")
    parser.add_argument("--window", required=True, help="region, as 20:30,000,001-31,000,000")
    parser.add_argument("--depth", type=float, default=30.0)
    parser.add_argument("--profile", choices=_PROFILES, default="novaseq")
    parser.add_argument("--slippage", type=float, default=1.0, help="1 as PCR-free, 3 as with PCR")
    parser.add_argument("--sample", default="HG001SIM")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bam", action="store_true", help="also align with bwa mem and samtools markdup")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)

    contig, chromosome = read_contig(arguments.reference)
    length = chromosome.size
    region = parse_region(arguments.window, {contig: length})
    bases = chromosome[region.start : region.end]
    if not arguments.fasta.exists():
        write_fasta(arguments.fasta, {contig: chromosome})
        pysam.faidx(str(arguments.fasta))

    real = read_vcf(arguments.truth, region.contig, region.start, region.end, bases)
    at_zero = [dataclasses.replace(allele, start=allele.start - region.start) for allele in real]
    planted = plant(region.contig, bases, ploidy=2, rates=_ADDED, seed=arguments.seed, taken=at_zero)
    alleles = [dataclasses.replace(allele, start=allele.start + region.start) for allele in planted]
    write_vcf(arguments.output / "truth.vcf.gz", alleles, {region.contig: length}, arguments.sample)
    write_confident(arguments.output / "confident.bed", bases, region)

    quality, read_length = _PROFILES[arguments.profile]
    run = Run(read_length=read_length, quality=quality, library=Library(slippage=arguments.slippage))
    haplotypes = [haplotype(bases, planted, copy) for copy in (0, 1)]
    reads = simulate_run(
        arguments.output,
        arguments.sample,
        haplotypes,
        [arguments.depth / 2] * 2,
        run=run,
        seed=arguments.seed,
        progress=LogProgress(),
    )
    print(f"{len(real)} real and {len(alleles) - len(real)} added alleles on {region}", file=sys.stderr)
    if arguments.bam:
        align(arguments.fasta, arguments.output, reads, arguments.sample)


def read_contig(path: Path) -> tuple[str, Bases]:
    """Name and ASCII bases, upper case, of the first contig of a gzipped FASTA; it needs no index."""
    with gzip.open(path, "rb") as fasta:
        name = fasta.readline().split()[0][1:].decode()
        text = fasta.read().partition(b">")[0].replace(b"\n", b"").upper()
    return name, np.frombuffer(text, dtype=np.uint8)


def write_confident(path: Path, bases: Bases, region: Region) -> None:
    """Write as BED where every variant is known and covered: the window without its ends and without N."""
    usable = np.ones(bases.size, dtype=bool)
    usable[:_MARGIN] = usable[-_MARGIN:] = False
    for place in np.flatnonzero(np.diff(bases == ord("N"), prepend=False, append=False)):
        usable[max(0, place - _CONTEXT) : place + _CONTEXT] = False
    usable &= bases != ord("N")
    edges = np.flatnonzero(np.diff(usable, prepend=False, append=False)) + region.start
    with path.open("w") as bed:
        bed.writelines(
            f"{region.contig}\t{start}\t{end}\n" for start, end in zip(edges[::2], edges[1::2], strict=True)
        )


def align(reference: Path, folder: Path, reads: tuple[Path, Path], sample: str) -> None:
    """Align with bwa mem, sort and mark duplicates with samtools; writes `bwa.bam` and its index."""
    if not reference.with_name(reference.name + ".bwt").exists():
        subprocess.run(["bwa", "index", str(reference)], check=True, capture_output=True)
    group = f"@RG\\tID:{sample}\\tSM:{sample}\\tPL:ILLUMINA"
    pipeline = (
        f"bwa mem -t 2 -R '{group}' '{reference}' '{reads[0]}' '{reads[1]}' 2> '{folder}/bwa.log'"
        f" | samtools fixmate -u -m - - | samtools sort -u -T '{folder}/sort' -"
        f" | samtools markdup -d 100 - '{folder}/bwa.bam'"
    )
    subprocess.run(["bash", "-o", "pipefail", "-c", pipeline], check=True)
    pysam.index(str(folder / "bwa.bam"))


if __name__ == "__main__":
    main()
