"""A sample's gVCF: every base is of a record, bcftools expands its blocks and merges samples by them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pysam
import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.export.gvcf import export_gvcf
from baselake.catalog.references import Reference, add_reference, open_reference
from baselake.lake.region import Region
from baselake.lake.schema import REFERENCE_BLOCKS
from tests.catalog.conftest import SEQUENCES
from tests.catalog.test_export_vcf import call, load, records

PL = [900, 500, 480, 400, 0, 380]


def block(contig: str, start: int, end: int, **more: object) -> dict:
    return {
        "reference": "tiny",
        "sample_id": "S1",
        "contig": contig,
        "start": start,
        "end": end,
        "ploidy": 2,
        "gap": None,
        "gq": 60,
        "dp": 22,
        "min_dp": 20,
        **more,
    }


def load_blocks(catalog: Catalog, rows: list[dict]) -> None:
    with catalog.job("call") as job:
        for contig in sorted({row["contig"] for row in rows}):
            with job.writer("reference_blocks", {"reference": "tiny", "contig": contig}) as out:
                out.write(
                    pa.Table.from_pylist(
                        [row for row in rows if row["contig"] == contig], schema=REFERENCE_BLOCKS.schema
                    )
                )
        with job.commit():
            pass


@pytest.fixture
def called(catalog: Catalog, reference: Reference) -> Catalog:
    """Calls and blocks on chr1, none on chrX."""
    load(
        catalog,
        [
            call("chr1", 31, "C", "T", "0/1"),
            call("chr1", 60, "TGA", "T", "0|1", ps=60),
            call("chr1", 62, "A", "C", "1|0", ps=60),
            call("chr1", 89, "AG", "A", "1/2", allele_index=2, site_pl=PL),
            call("chr1", 89, "AGG", "A", "1/2", allele_index=1, site_pl=PL),
        ],
    )
    load_blocks(
        catalog,
        [
            block("chr1", 5, 30),
            block("chr1", 31, 59, gq=40, dp=15, min_dp=14),
            block("chr1", 62, 80),
            block("chr1", 80, 88, gap="no_usable_reads", gq=0, dp=0, min_dp=0),
            block("chr1", 91, 205),
        ],
    )
    return catalog


def spans(lines: list[list[str]]) -> list[tuple[str, int, int]]:
    """Contig, 0-based start and end of each record."""
    out = []
    for fields in lines:
        start = int(fields[1]) - 1
        end = int(fields[7].removeprefix("END=")) if fields[7].startswith("END=") else start + len(fields[3])
        out.append((fields[0], start, end))
    return out


def test_every_base_of_the_reference_is_of_a_record(
    called: Catalog, reference: Reference, tmp_path: Path
) -> None:
    path = tmp_path / "S1.g.vcf"
    lines_written = export_gvcf(called, "S1", reference, path)
    lines = records(path)
    assert len(lines) == lines_written
    for contig, bases in SEQUENCES.items():
        times = [0] * len(bases)
        for fields, (where, start, end) in zip(lines, spans(lines), strict=True):
            if where == contig and fields[4] == "<*>":
                assert fields[3] == bases[start]
                times[start:end] = [n + 1 for n in times[start:end]]
        covered = {
            at
            for fields, (where, start, end) in zip(lines, spans(lines), strict=True)
            for at in range(start, end)
            if where == contig and fields[4] != "<*>"
        }
        assert [n + (at in covered) for at, n in enumerate(times)] == [1] * len(bases)
    without = [fields[9] for fields in lines if fields[8] == "GT:DP"]
    # Before the first block, in the gap, behind the last block, and a contig without alignments.
    assert without == ["./.:0"] * 4
    assert lines[1][7:] == ["END=30", "GT:DP:GQ:MIN_DP:PL", "0/0:22:60:20:0,60,600"]


def test_calls_have_the_unspecified_allele_as_their_last(
    called: Catalog, reference: Reference, tmp_path: Path
) -> None:
    path = tmp_path / "S1.g.vcf"
    export_gvcf(called, "S1", reference, path)
    by_start = {fields[1]: fields for fields in records(path) if fields[4] != "<*>"}
    assert by_start["31"][4] == "T,<*>"
    assert by_start["31"][9] == "0/1:50:30:14,16,0:400,0,380,400,400,400:7,7,8,8"
    assert by_start["89"][4] == "A,AG,<*>"
    assert by_start["89"][9].split(":")[4] == ",".join(map(str, PL + [900] * 4))
    assert by_start["60"][8:] == [
        "GT:GQ:DP:AD:PL:SB:PS",
        "0|1:50:30:14,16,0:400,0,380,400,400,400:7,7,8,8:60",
    ]


@pytest.mark.parametrize(
    ("ploidy", "gq", "min_dp", "likelihoods"),
    [
        # 3.01 phred a fragment against one copy, 30 against two.
        (2, 30, 10, "0,30,300"),
        (2, 99, 40, "0,99,1200"),
        # One fragment of 9 differs with quality 20: it speaks against the reference.
        (2, 7, 9, "0,7,230"),
        (2, 0, 1, "0,0,24"),
        (1, 45, 2, "0,45"),
        (3, 45, 20, "."),
    ],
)
def test_a_block_has_likelihoods(
    catalog: Catalog,
    reference: Reference,
    tmp_path: Path,
    ploidy: int,
    gq: int,
    min_dp: int,
    likelihoods: str,
) -> None:
    load_blocks(catalog, [block("chr1", 0, 50, ploidy=ploidy, gq=gq, dp=min_dp + 1, min_dp=min_dp)])
    export_gvcf(catalog, "S1", reference, tmp_path / "S1.g.vcf")
    first = records(tmp_path / "S1.g.vcf")[0]
    genotype = "/".join("0" * ploidy)
    assert first[9] == f"{genotype}:{min_dp + 1}:{gq}:{min_dp}:{likelihoods}"


def test_an_imported_block_without_figures_has_no_likelihoods(
    catalog: Catalog, reference: Reference, tmp_path: Path
) -> None:
    load_blocks(
        catalog,
        [
            block("chr1", 0, 50, gq=None, dp=None, min_dp=None),
            block("chr1", 50, 60, dp=None, min_dp=None),
        ],
    )
    export_gvcf(catalog, "S1", reference, tmp_path / "S1.g.vcf")
    first, second = records(tmp_path / "S1.g.vcf")[:2]
    assert (first[9], second[9]) == ("0/0:.:.:.:.", "0/0:.:60:.:.")


def refused_by_glnexus(path: Path) -> list[str]:
    """Why GLnexus would not take records: its checks of a gVCF (src/BCF_utils.cc), and what its configurations for GATK
    and DeepVariant read: AD where there are alternates, MIN_DP in blocks, GQ and PL."""
    faults = []
    before: tuple[str, int] = ("", -1)
    with pysam.VariantFile(str(path)) as vcf:
        for record in vcf:
            where = f"{record.contig}:{record.pos}"
            sample, alleles = record.samples[0], record.alleles or ()
            if record.contig == before[0] and record.pos < before[1]:
                faults.append(f"{where} is out of order")
            before = record.contig, record.pos
            if record.stop > vcf.header.contigs[record.contig].length:
                faults.append(f"{where} is longer than its contig")
            if len(set(alleles)) < len(alleles):
                faults.append(f"{where} has an allele twice")
            plain = all(set(allele) <= set("ACGTN") or allele == "*" for allele in alleles[:-1])
            if not plain or alleles[-1] != "<*>":
                faults.append(f"{where} has a symbolic allele that is not the last")
            if len(sample["GT"]) not in (1, 2):
                faults.append(f"{where} is neither haploid nor diploid")
            if sample["GT"][0] is None:
                continue
            if record.stop - record.start >= 100_000:
                faults.append(f"{where} is too long")
            reference_only = len(alleles) == 2
            needed = {"GQ", "DP", "PL", "MIN_DP" if reference_only else "AD"}
            if missing := needed - set(sample):
                faults.append(f"{where} lacks {missing}")
            n = len(alleles)
            genotypes = n if len(sample["GT"]) == 1 else n * (n + 1) // 2
            if len(sample["PL"]) != genotypes or min(sample["PL"]) < 0:
                faults.append(f"{where} has not a likelihood for each genotype")
            if not reference_only and len(sample["AD"]) != n:
                faults.append(f"{where} has not a depth for each allele")
    return faults


def test_glnexus_would_take_it(called: Catalog, reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "S1.g.vcf"
    export_gvcf(called, "S1", reference, path)
    assert refused_by_glnexus(path) == []


def test_a_long_block_is_written_in_pieces_that_glnexus_takes(catalog: Catalog, tmp_path: Path) -> None:
    fasta = tmp_path / "long.fa"
    fasta.write_text(">chr1\n" + "ACGT" * 60_000 + "\n")
    add_reference(catalog, fasta, "tiny")
    load_blocks(catalog, [block("chr1", 0, 240_000)])
    path = tmp_path / "S1.g.vcf"
    export_gvcf(catalog, "S1", open_reference(catalog, "tiny"), path)
    assert refused_by_glnexus(path) == []
    assert spans(records(path)) == [
        ("chr1", 0, 99_999),
        ("chr1", 99_999, 199_998),
        ("chr1", 199_998, 240_000),
    ]


def test_fractions_are_written_where_copies_are_many(
    catalog: Catalog, reference: Reference, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    load(catalog, [call("chr1", 31, "C", "T", "0/1", pl=None, af=0.125)])
    load_blocks(catalog, [block("chr1", 0, 30, ploidy=1), block("chr1", 31, 60, ploidy=1)])
    path = tmp_path / "S1.g.vcf.gz"
    export_gvcf(catalog, "S1", reference, path)
    shown = subprocess.run(
        [peer("bcftools"), "query", "-f", "%POS %ALT[ %GT %AF %PL]\n", path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "31 T,<*> 0/1 0.125,0 ." in shown.stdout.splitlines()
    assert shown.stderr == ""


def test_a_region_cuts_blocks_and_keeps_calls_whole(
    called: Catalog, reference: Reference, tmp_path: Path
) -> None:
    path = tmp_path / "S1.g.vcf"
    export_gvcf(called, "S1", reference, path, Region("chr1", 61, 84))
    # The deletion of 60 to 62 overlaps the region; the block behind it ends with its gap.
    assert spans(records(path)) == [
        ("chr1", 59, 62),
        ("chr1", 61, 62),
        ("chr1", 62, 80),
        ("chr1", 80, 84),
    ]


def test_bcftools_expands_and_merges_it(
    called: Catalog, reference: Reference, fasta: Path, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    path = tmp_path / "S1.g.vcf.gz"
    export_gvcf(called, "S1", reference, path)
    pysam.faidx(str(fasta))
    bcftools = peer("bcftools")
    seen = subprocess.run([bcftools, "view", "-H", path], capture_output=True, text=True, check=True)
    assert seen.stderr == ""
    expanded = subprocess.run(
        [bcftools, "convert", "--gvcf2vcf", "-f", fasta, path], capture_output=True, text=True, check=True
    ).stdout
    lines = [line.split("\t") for line in expanded.splitlines() if not line.startswith("#")]
    assert {int(fields[1]) for fields in lines if fields[0] == "chr1"} >= {
        *range(1, 61),
        *range(63, 90),
        *range(92, 211),
    }
    other = tmp_path / "S2.g.vcf.gz"
    renamed = subprocess.run(
        [bcftools, "reheader", "-s", "/dev/stdin", path], input=b"S2\n", capture_output=True, check=True
    ).stdout
    other.write_bytes(renamed)
    subprocess.run([bcftools, "index", "-t", other], check=True)
    merged = subprocess.run(
        [bcftools, "merge", "-g", fasta, path, other], capture_output=True, text=True, check=True
    ).stdout
    (site,) = (line.split("\t") for line in merged.splitlines() if line.startswith("chr1\t31\t"))
    assert [sample.split(":")[0] for sample in site[9:]] == ["0/1", "0/1"]
