"""From FASTQ to VCF with the commands of the manual, on real data where it is at hand."""

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .commands import baselake, count, score

SNV, INDEL = "SNV", "INDEL"


@pytest.fixture(scope="module")
def na12878(shared_data: Path) -> Path:
    return shared_data / "accuracy_NA12878_chr20"


@pytest.fixture(scope="module")
def called(na12878: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake in which the NA12878 slice went all the way from FASTQ; its VCF and BAM lie beside it."""
    folder = tmp_path_factory.mktemp("na12878")
    lake = folder / "lake"
    baselake(lake, "init")
    baselake(lake, "reference", "add", na12878 / "ucsc.hg19.chr20.unittest.fasta.gz", "--name", "hg19")
    reads = [na12878 / "derived" / f"NA12878_S1_L001_R{mate}_001.fastq.gz" for mate in (1, 2)]
    baselake(lake, "ingest", *reads, "--sample", "NA12878", "--sex", "female")
    baselake(lake, "align", "NA12878", "--reference", "hg19")
    baselake(lake, "call", "NA12878", "--reference", "hg19")
    baselake(lake, "export", "vcf", "--sample", "NA12878", "-o", folder / "baselake.vcf.gz")
    baselake(lake, "export", "bam", "--sample", "NA12878", "-o", folder / "NA12878.bam")
    return lake


@pytest.fixture(scope="module")
def plain_reference(called: Path) -> Path:
    (fasta,) = (called / "references").glob("*.fa")
    return fasta


def peer_calls(tool: str, peer: Callable[[str], str], reference: Path, bam: Path, out: Path) -> Path:
    """The calls of a peer on an alignment file."""
    region = "chr20:9999000-10101000"
    if tool == "freebayes":
        command = f"{peer('freebayes')} -f {reference} -r {region.replace('-', '..', 1)} {bam}"
    else:
        command = (
            f"{peer('bcftools')} mpileup -q 10 -Q 13 -r {region} -f {reference} {bam} 2>/dev/null"
            f" | {peer('bcftools')} call -mv"
        )
    subprocess.run(["bash", "-o", "pipefail", "-c", f"{command} > {out}"], check=True, capture_output=True)
    return out


def test_every_read_is_in_the_lake_once(called: Path, na12878: Path) -> None:
    with gzip.open(na12878 / "derived" / "NA12878_S1_L001_R1_001.fastq.gz") as lines:
        pairs = sum(1 for _ in lines) // 4
    assert count(called, "reads") == 2 * pairs
    primary = count(called, "alignments WHERE flag & 2304 = 0")
    assert primary == 2 * pairs


def test_confident_variants_are_found(
    called: Path, na12878: Path, plain_reference: Path, compare_vcf: Path
) -> None:
    truth = na12878 / "test_nist.b37_chr20_100kbp_at_10mb.vcf.gz"
    bed = na12878 / "test_nist.b37_chr20_100kbp_at_10mb.bed"
    got = score(compare_vcf, plain_reference, truth, called.parent / "baselake.vcf.gz", "--bed", str(bed))
    assert got[SNV]["recall"] >= 0.99
    assert got[SNV]["precision"] >= 0.98
    assert got[INDEL]["fn"] == 0


@pytest.mark.parametrize("tool", ["freebayes", "bcftools"])
def test_calls_are_better_than_a_peers_on_the_same_alignments(
    called: Path,
    na12878: Path,
    plain_reference: Path,
    compare_vcf: Path,
    peer: Callable[[str], str],
    tmp_path: Path,
    tool: str,
) -> None:
    truth = na12878 / "test_nist.b37_chr20_100kbp_at_10mb.vcf.gz"
    bam = called.parent / "NA12878.bam"
    theirs = peer_calls(tool, peer, plain_reference, bam, tmp_path / "peer.vcf")
    ours = score(compare_vcf, plain_reference, truth, called.parent / "baselake.vcf.gz")
    for options in ([], ["--min-qual", "20"]):
        peers = score(compare_vcf, plain_reference, truth, theirs, *options)
        assert ours[SNV]["f1"] > peers[SNV]["f1"]
        assert ours[INDEL]["f1"] > peers[INDEL]["f1"]


def test_bcftools_takes_the_vcf_without_a_warning(
    called: Path, plain_reference: Path, peer: Callable[[str], str]
) -> None:
    vcf = called.parent / "baselake.vcf.gz"
    seen = subprocess.run([peer("bcftools"), "view", "-H", vcf], check=True, capture_output=True, text=True)
    assert seen.stderr == ""
    calls = int(
        count(
            called,
            "(SELECT DISTINCT contig, start, site_pl, CASE WHEN site_pl IS NULL THEN variant_id END FROM genotypes)",
        )
    )
    assert len(seen.stdout.splitlines()) == calls
    # Already left-aligned and parsimonious: bcftools has nothing to realign.
    command = [peer("bcftools"), "norm", "-f", plain_reference, "-c", "e", "-o", "/dev/null", vcf]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    assert "/0/" in said.split()[-1], said


def test_an_answer_knows_where_it_comes_from(called: Path) -> None:
    done = baselake(called, "sql", "SELECT operation FROM lineage ORDER BY started", "--format", "csv").stdout
    assert done.split() == ["operation", "reference", "add", "ingest", "align", "call"]


@pytest.mark.parametrize("verb", ["ingest", "align", "call"])
def test_doing_it_again_changes_nothing(called: Path, na12878: Path, verb: str) -> None:
    before = [count(called, table) for table in ("reads", "alignments", "genotypes", "variants")]
    paths = sorted((na12878 / "derived").glob("*.fastq.gz")) if verb == "ingest" else []
    baselake(called, verb, *paths, *(["--sample", "NA12878"] if paths else ["NA12878"]))
    assert [count(called, table) for table in ("reads", "alignments", "genotypes", "variants")] == before
