"""Simulate sequencing of a window of human chromosome 20 that carries the real variants of HG001.

The reference is chromosome 20 of b37 as Debian's `vt-examples` package ships it, the variants are those of a
GIAB VCF, and what that lacks (`human_variants.py`). Qualities, how far they are true and insert sizes are learnt from
real alignments (`observed_reads.py`). Reads come from the window alone and are aligned to the whole chromosome, so
that repeats mislead them. The truth is complete.

    python benchmarks/simulate_human.py --data ../shared/data --window 20:35,000,001-36,000,000 \\
        --fasta chr20.fa --bam -o FOLDER
"""

import argparse
import dataclasses
import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pysam
from human_variants import add_missing
from observed_reads import ObservedReads, observe

from baselake.demo.fragments import Library
from baselake.demo.genome import Bases, write_fasta
from baselake.demo.reads import Run, simulate_run
from baselake.demo.variants import haplotype, read_vcf, write_vcf
from baselake.lake.region import Region, parse_region
from baselake.progress import LogProgress

REFERENCE = Path("/usr/share/doc/vt/examples/ref/20.fa.gz")
PROFILES = ("platinum", "trio")
_MARGIN = 1_000  # bases at either end of the window where coverage falls off
_CONTEXT = 600  # bases of N that disqualify what is beside them


def main() -> None:
    """Parse arguments and simulate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of real sequencing data")
    parser.add_argument(
        "--fasta", type=Path, required=True, help="where the plain FASTA is, or is to be written"
    )
    parser.add_argument("--window", required=True, help="region, as 20:30,000,001-31,000,000")
    parser.add_argument("--depth", type=float, default=30.0)
    parser.add_argument("--profile", choices=PROFILES, default="trio")
    parser.add_argument("--slippage", type=float, default=1.0, help="1 as PCR-free, 3 as with PCR")
    parser.add_argument("--sample", default="HG001SIM")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bam", action="store_true", help="also align with bwa mem and samtools markdup")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    simulate(
        arguments.data,
        arguments.fasta,
        arguments.window,
        arguments.output,
        depth=arguments.depth,
        profile=arguments.profile,
        slippage=arguments.slippage,
        sample=arguments.sample,
        seed=arguments.seed,
        aligned=arguments.bam,
    )


def simulate(
    data: Path,
    fasta: Path,
    window: str,
    output: Path,
    *,
    depth: float,
    profile: str,
    slippage: float,
    sample: str,
    seed: int,
    aligned: bool,
) -> None:
    """Write `truth.vcf.gz`, `confident.bed`, FASTQ and, where asked, `bwa.bam`.

    Args:
        data: folder of real sequencing data; its README describes it.
        fasta: plain FASTA of the chromosome; written where absent.
        window: region, 1-based inclusive as samtools has it.
        output: folder to write to.
        depth: mean coverage, duplicates included.
        profile: whose qualities: `platinum` (HiSeq 2000, 2x101) or `trio` (2x151, four levels).
        slippage: 1 as in a PCR-free library, 3 with ten cycles of PCR.
        sample: name.
        seed: of reads; what is planted hangs on the window alone, so that depths can be compared.
        aligned: align with bwa too.
    """
    output.mkdir(parents=True, exist_ok=True)
    contig, chromosome = read_contig(REFERENCE)
    length = chromosome.size
    region = parse_region(window, {contig: length})
    bases = chromosome[region.start : region.end]
    if not fasta.exists():
        write_fasta(fasta, {contig: chromosome})
        pysam.faidx(str(fasta))

    truth = next((data / "accuracy_NA12878_chr20").glob("HG001_*.vcf.gz"))
    real = read_vcf(truth, region.contig, region.start, region.end, bases)
    at_zero = [dataclasses.replace(allele, start=allele.start - region.start) for allele in real]
    planted = add_missing(region.contig, bases, at_zero, seed=region.start)
    alleles = [dataclasses.replace(allele, start=allele.start + region.start) for allele in planted]
    write_vcf(output / "truth.vcf.gz", alleles, {region.contig: length}, sample)
    write_confident(output / "confident.bed", bases, region)

    observed = observed_profile(data, profile)
    library = Library(mean_length=observed.insert_mean, sd_length=observed.insert_sd, slippage=slippage)
    reads = simulate_run(
        output,
        sample,
        [haplotype(bases, planted, copy) for copy in (0, 1)],
        [depth / 2] * 2,
        run=Run(read_length=observed.read_length, quality=observed, library=library),
        seed=seed,
        progress=LogProgress(),
    )
    print(f"{len(real)} real and {len(alleles) - len(real)} added alleles on {region}", file=sys.stderr)
    if aligned:
        align(fasta, output, reads, sample)


def observed_profile(data: Path, profile: str) -> ObservedReads:
    """What the real reads of a profile tell."""
    if profile == "platinum":
        folder = data / "accuracy_NA12878_chr20"
        bam = folder / "NA12878_S1.chr20.10_10p1mb.bam"
        return observe([(bam, "chr20")], folder / "ucsc.hg19.chr20.unittest.fasta.gz")
    folder = data / "trio_CEU_chr20_10kb"
    return observe([(bam, "20") for bam in sorted(folder.glob("*.bam"))], folder / "hs37d5.chr20.fa.gz")


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
    if not reference.with_name(reference.name + ".sa").exists():
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
