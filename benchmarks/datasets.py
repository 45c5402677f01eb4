"""The data that benchmarks run on, prepared once and kept in a cache folder."""

import gzip
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pysam


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Reads of one sample, and what they are compared with.

    Attributes:
        name: shown in tables.
        sample: sample name.
        fasta: plain, indexed reference.
        reads: paired FASTQ files; empty where there are only alignments.
        bam: sorted alignments with duplicates marked and an index, made by another tool.
        truth: VCF of the known variants.
        beds: where they are known, by the name shown.
    """

    name: str
    sample: str
    fasta: Path
    reads: tuple[Path, ...]
    bam: Path
    truth: Path
    beds: tuple[tuple[str, Path], ...]


def real_datasets(data: Path, cache: Path) -> list[Dataset]:
    """The slices of real human genomes with known variants.

    Args:
        data: folder of real sequencing data; its README describes it.
        cache: where prepared files are kept.

    Raises:
        FileNotFoundError: the data are not there.
    """
    folder = data / "accuracy_NA12878_chr20"
    trio = data / "trio_CEU_chr20_10kb"
    tiny = data / "tiny_NA12878_chr22"
    fastq = folder / "derived"
    return [
        Dataset(
            name="NA12878 100 kb, 2x101, 52x",
            sample="NA12878",
            fasta=_plain_fasta(folder / "ucsc.hg19.chr20.unittest.fasta.gz", cache),
            reads=(fastq / "NA12878_S1_L001_R1_001.fastq.gz", fastq / "NA12878_S1_L001_R2_001.fastq.gz"),
            bam=folder / "NA12878_S1.chr20.10_10p1mb.bam",
            truth=folder / "test_nist.b37_chr20_100kbp_at_10mb.vcf.gz",
            beds=(
                ("confident 9 kb", folder / "test_nist.b37_chr20_100kbp_at_10mb.bed"),
                ("whole 100 kb", _bed(cache, "chr20", 10_000_000, 10_100_000)),
            ),
        ),
        Dataset(
            name="HG001 10 kb, 2x151, 23x",
            sample="HG001",
            fasta=_plain_fasta(trio / "hs37d5.chr20.fa.gz", cache),
            reads=(),
            bam=trio / "HG001.chr20.10_10p1mb_sorted.bam",
            truth=next(folder.glob("derived/HG001_*.vcf.gz")),
            beds=(
                ("confident 9 kb", trio / "test_giab.b37_chr20_100kbp_at_10mb.bed"),
                ("whole 10 kb", _bed(cache, "20", 10_000_000, 10_010_000)),
            ),
        ),
        Dataset(
            name="NA12878 chr22 12 kb, 2x151, 41x",
            sample="1",
            fasta=_plain_fasta(tiny / "q.fa", cache),
            reads=(),
            bam=tiny / "NA12878.chr22.tiny.bam",
            truth=tiny / "NA12878.chr22.tiny.giab.vcf",
            # Between the first and the last record of the truth set.
            beds=(("12 kb", _bed(cache, "q", 185, 12_125)),),
        ),
    ]


def simulated_dataset(folder: Path, fasta: Path) -> Dataset:
    """What `simulate_human.py --bam` wrote into a folder.

    Args:
        folder: its output.
        fasta: the reference it was given.

    Raises:
        FileNotFoundError: the folder holds no reads.
    """
    first = next(folder.glob("*_R1_001.fastq.gz"), None)
    if first is None:
        raise FileNotFoundError(f"{folder}: no reads; run benchmarks/simulate_human.py -o {folder}")
    return Dataset(
        name=f"simulated {folder.name}",
        sample=first.name.split("_S1_")[0],
        fasta=fasta,
        reads=(first, first.with_name(first.name.replace("_R1_", "_R2_"))),
        bam=folder / "bwa.bam",
        truth=folder / "truth.vcf.gz",
        beds=(("confident", folder / "confident.bed"),),
    )


def ensure_bwa_index(fasta: Path) -> None:
    """Index a FASTA for bwa where that has not been done; minutes for a chromosome."""
    if not fasta.with_name(fasta.name + ".sa").exists():
        subprocess.run(["bwa", "index", str(fasta)], check=True, capture_output=True)


def _bed(cache: Path, contig: str, start: int, end: int) -> Path:
    """A BED file of one interval, 0-based half-open, in the cache."""
    path = cache / f"{contig}_{start}_{end}.bed"
    path.write_text(f"{contig}\t{start}\t{end}\n")
    return path


def _plain_fasta(source: Path, cache: Path) -> Path:
    """The FASTA uncompressed and indexed, in the cache."""
    target = cache / source.name.removesuffix(".gz")
    if not target.exists():
        partial = target.with_suffix(".partial")
        if source.suffix == ".gz":
            with gzip.open(source, "rb") as packed, partial.open("wb") as plain:
                shutil.copyfileobj(packed, plain)
        else:
            shutil.copyfile(source, partial)
        partial.rename(target)
        pysam.faidx(str(target))
    return target
