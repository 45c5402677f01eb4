"""Accuracy on real alignments, beside freebayes and bcftools on the same reads, as they come out of each."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pysam
import pytest

from baselake.compute.pileup import call_region
from tests.commands import score
from tests.compute.slices import alignments_of, contig_of, write_vcf


def plain_fasta(packed: Path, folder: Path) -> Path:
    """An uncompressed, indexed copy: freebayes reads no other."""
    fasta = folder / "reference.fa"
    with pysam.BGZFile(str(packed)) as source:
        fasta.write_bytes(source.read())
    pysam.faidx(str(fasta))
    return fasta


def calls_of(bam: Path, fasta: Path, contig: str, start: int, end: int, out: Path) -> Path:
    bases = contig_of(fasta, contig)
    write_vcf(call_region(alignments_of(bam, contig, start, end), bases, start, end), contig, out)
    return out


@pytest.fixture(scope="module")
def slice_folder(shared_data: Path) -> Path:
    return shared_data / "accuracy_NA12878_chr20"


@pytest.fixture(scope="module")
def fasta(slice_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plain_fasta(slice_folder / "ucsc.hg19.chr20.unittest.fasta.gz", tmp_path_factory.mktemp("fasta"))


@pytest.fixture(scope="module")
def called(slice_folder: Path, fasta: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bam = slice_folder / "NA12878_S1.chr20.10_10p1mb.bam"
    out = tmp_path_factory.mktemp("calls") / "calls.vcf"
    return calls_of(bam, fasta, "chr20", 9_999_000, 10_101_000, out)


def test_na12878_in_the_confident_regions(
    slice_folder: Path, fasta: Path, called: Path, compare_vcf: Path
) -> None:
    truth = slice_folder / "test_nist.b37_chr20_100kbp_at_10mb.vcf.gz"
    bed = slice_folder / "test_nist.b37_chr20_100kbp_at_10mb.bed"
    found = score(compare_vcf, fasta, truth, called, "--bed", str(bed))
    assert found["SNV"]["recall"] >= 0.99
    assert found["SNV"]["precision"] >= 0.98
    assert found["INDEL"]["f1"] == 1


@pytest.mark.parametrize("tool", ["freebayes", "bcftools"])
def test_na12878_beside_a_peer(
    tool: str,
    slice_folder: Path,
    fasta: Path,
    called: Path,
    compare_vcf: Path,
    peer: Callable[[str], str],
    tmp_path: Path,
) -> None:
    bam = slice_folder / "NA12878_S1.chr20.10_10p1mb.bam"
    region = "chr20:9999000-10101000"
    bcftools = peer("bcftools")
    if tool == "freebayes":
        caller = f"{peer('freebayes')} -f {fasta} -r {region.replace('-', '..')} {bam}"
    else:
        caller = f"{bcftools} mpileup -q 10 -r {region} -f {fasta} {bam} | {bcftools} call -mv"
    theirs = tmp_path / "peer.vcf"
    subprocess.run(f"{caller} > {theirs}", shell=True, check=True, capture_output=True)
    truth = slice_folder / "test_nist.b37_chr20_100kbp_at_10mb.vcf.gz"
    ours = score(compare_vcf, fasta, truth, called)
    for options in ([], ["--min-qual", "20"]):
        peers = score(compare_vcf, fasta, truth, theirs, *options)
        assert ours["SNV"]["f1"] > peers["SNV"]["f1"]
        assert ours["INDEL"]["f1"] > peers["INDEL"]["f1"]


def test_a_child_has_no_allele_that_neither_parent_has(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "trio_CEU_chr20_10kb"
    fasta = plain_fasta(folder / "hs37d5.chr20.fa.gz", tmp_path)
    bases = contig_of(fasta, "20")
    alleles = {}
    for person in ("HG001", "NA12891", "NA12892"):
        rows = alignments_of(folder / f"{person}.chr20.10_10p1mb_sorted.bam", "20", 9_999_900, 10_010_100)
        calls = call_region(rows, bases, 9_999_900, 10_010_100).to_pylist()
        alleles[person] = {(r["start"], r["ref"], r["alt"]) for r in calls if not r["filters"]}
    assert len(alleles["HG001"]) > 40
    orphans = alleles["HG001"] - alleles["NA12891"] - alleles["NA12892"]
    assert len(orphans) <= 0.05 * len(alleles["HG001"])
