"""Alignments come out as they came in."""

from collections.abc import Sequence
from pathlib import Path

import pysam
import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.export.bam import export_bam
from baselake.catalog.references import Reference, add_reference, open_reference
from baselake.errors import NotFoundError
from baselake.ingest.bam import ingest_bam
from baselake.lake.region import Region
from tests.ingest.sam_files import CONTIGS, HEADER, header_lines, sam_line, sam_lines, write_bam


@pytest.fixture
def tiny(catalog: Catalog, tmp_path: Path) -> Reference:
    fasta = tmp_path / "tiny.fa"
    fasta.write_text("".join(f">{name}\n{'ACGT' * (length // 4)}\n" for name, length in CONTIGS.items()))
    return add_reference(catalog, fasta, "tiny")


def tags_sorted(lines: Sequence[str]) -> list[tuple[list[str], list[str]]]:
    """Lines with their tags in a fixed order, since CRAM has its own."""
    return [(fields[:11], sorted(fields[11:])) for fields in (line.split("\t") for line in lines)]


@pytest.mark.parametrize(
    ("bam", "fasta", "sample"),
    [
        (
            "accuracy_NA12878_chr20/NA12878_S1.chr20.10_10p1mb.bam",
            "ucsc.hg19.chr20.unittest.fasta.gz",
            "NA12878",
        ),
        ("trio_CEU_chr20_10kb/HG001.chr20.10_10p1mb_sorted.bam", "hs37d5.chr20.fa.gz", "HG001"),
        ("trio_CEU_chr20_10kb/NA12891.chr20.10_10p1mb_sorted.bam", "hs37d5.chr20.fa.gz", "NA12891"),
        ("trio_CEU_chr20_10kb/NA12892.chr20.10_10p1mb_sorted.bam", "hs37d5.chr20.fa.gz", "NA12892"),
        ("tiny_NA12878_chr22/NA12878.chr22.tiny.bam", "q.fa", "1"),
        ("ont/HG002_R10_chr20_5050000_5075000.bam", "grch38.chr20_5050000_5075000.masked.fa.gz", "HG002"),
    ],
)
def test_a_real_bam_is_the_same_record_for_record(
    catalog: Catalog, shared_data: Path, tmp_path: Path, bam: str, fasta: str, sample: str
) -> None:
    source = shared_data / bam
    reference = add_reference(catalog, source.parent / fasta, "assembly")
    ingest_bam(catalog, [source], sample=sample, reference="assembly")
    out = tmp_path / "out.bam"
    assert export_bam(catalog, sample, reference, out) == int(pysam.samtools.view("-c", str(source)))
    assert sam_lines(out) == sam_lines(source)
    before, after = header_lines(source), header_lines(out)
    assert [line for line in after if not line.startswith("@HD")] == [
        line for line in before if not line.startswith("@HD")
    ]
    assert "SO:coordinate" in after[0]
    pysam.samtools.quickcheck(str(out))
    assert Path(f"{out}.bai").is_file()


def test_a_real_cram_comes_and_goes(catalog: Catalog, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "accuracy_NA12878_chr20"
    reference = add_reference(catalog, folder / "ucsc.hg19.chr20.unittest.fasta.gz", "hg19")
    source = folder / "NA12878_S1.chr20.10_10p1mb.cram"
    # The FASTA is the real chr20 with all but the slice masked, so that its M5 is another one.
    ingest_bam(catalog, [source], reference="hg19")
    out = tmp_path / "out.cram"
    assert export_bam(catalog, "NA12878", reference, out, form="cram") == 52_035
    fasta = ("-T", str(reference.fasta))
    assert tags_sorted(sam_lines(out, *fasta)) == tags_sorted(sam_lines(source, *fasta))
    assert Path(f"{out}.crai").is_file()


def test_a_region_is_what_samtools_takes_for_it(catalog: Catalog, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "trio_CEU_chr20_10kb"
    reference = add_reference(catalog, folder / "hs37d5.chr20.fa.gz", "b37")
    source = folder / "HG001.chr20.10_10p1mb_sorted.bam"
    ingest_bam(catalog, [source])
    for start, end in ((10_000_000, 10_000_001), (10_003_000, 10_004_000), (0, 9_999_870)):
        out = tmp_path / f"{start}.bam"
        export_bam(catalog, "HG001", reference, out, region=Region("20", start, end))
        shown = pysam.samtools.view("--no-PG", str(source), f"20:{start + 1}-{end}").splitlines()
        assert sam_lines(out) == shown


def test_every_kind_of_record_returns(catalog: Catalog, tiny: Reference, tmp_path: Path) -> None:
    long_cigar = "1M1I" * 40_000
    lines = [
        sam_line("minimal", 0, pos=1, cigar="*", seq="*", qual="*"),
        sam_line("long", 0, pos=1, cigar=long_cigar, seq="A" * 80_000, qual="*", tags=["XX:Z:x"]),
        sam_line(
            "noqual", 16, pos=2, seq="=ACMGRSVTW", qual="*", tags=["XB:B:f,1.5,-2", "Xh:H:1AE3", "XA:A:!"]
        ),
        sam_line("secondary", 0x900, pos=2, cigar="3H4M2D3M3S", mate=("chr2", 5), tlen=-77),
        sam_line("max", 0xFFF, pos=1000, mapq=255, cigar="1M2I3D4N1P2=1X4S"),
        sam_line("placed", 4, "chr2", 7, 0, "*"),
        sam_line("last", 0, "chr2", 2000, cigar="10M"),
        sam_line("unplaced", 77, "*", 0, 0, "*", tags=["XI:i:4000000000", "Xi:i:-5", "Xs:i:-300"]),
        sam_line("unplaced", 141, "*", 0, 0, "*", seq="*", qual="*"),
    ]
    source = write_bam(tmp_path / "in.bam", lines, HEADER + "@PG\tID:a\tCL:x\n@CO\ta: comment\tof two\n")
    ingest_bam(catalog, [source], sample="S")
    for form in ("bam", "sam"):
        out = tmp_path / f"out.{form}"
        assert export_bam(catalog, "S", tiny, out, form=form) == len(lines)
        assert sam_lines(out) == sam_lines(source)
        assert header_lines(out)[1:] == header_lines(source)[1:]


def test_only_the_read_groups_of_the_sample_leave_a_file_of_several(
    catalog: Catalog, tiny: Reference, tmp_path: Path
) -> None:
    header = HEADER + "@RG\tID:a\tSM:A\n@RG\tID:b\tSM:B\n"
    lines = [sam_line("x", tags=["RG:Z:a"]), sam_line("y", tags=["RG:Z:b"])]
    ingest_bam(catalog, [write_bam(tmp_path / "both.bam", lines, header)])
    out = tmp_path / "b.bam"
    export_bam(catalog, "B", tiny, out)
    assert sam_lines(out) == sam_lines(tmp_path / "both.bam")[1:]
    assert [line for line in header_lines(out) if line.startswith("@RG")] == ["@RG\tID:b\tSM:B"]


def test_headers_of_merged_files_become_one(catalog: Catalog, tiny: Reference, tmp_path: Path) -> None:
    files = [
        write_bam(
            tmp_path / f"{lane}.bam",
            [sam_line(f"r{lane}", tags=[f"RG:Z:{lane}"])],
            f"{HEADER}@RG\tID:{lane}\tSM:S\n@PG\tID:bwa\tCL:lane {lane}\n@PG\tID:md\tPP:bwa\tCL:both\n",
        )
        for lane in (1, 2)
    ]
    ingest_bam(catalog, files)
    out = tmp_path / "out.bam"
    assert export_bam(catalog, "S", tiny, out) == 2
    lines = [line for line in header_lines(out) if line[:3] in ("@RG", "@PG")]
    assert lines == [
        "@RG\tID:1\tSM:S",
        "@PG\tID:bwa\tCL:lane 1",
        "@PG\tID:md\tPP:bwa\tCL:both",
        "@RG\tID:2\tSM:S",
        "@PG\tID:bwa-2\tCL:lane 2",
        "@PG\tID:md\tPP:bwa-2\tCL:both",
    ]


def test_a_sample_without_alignments_is_told(catalog: Catalog, tiny: Reference, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="S has no alignments on reference tiny"):
        export_bam(catalog, "S", open_reference(catalog, tiny.name), tmp_path / "out.bam")
    assert list(tmp_path.glob("*.bam")) == []
