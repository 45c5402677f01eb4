"""Reads come out as they left the sequencer."""

from collections import Counter
from pathlib import Path

import pysam
import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.export.fastq import export_fastq
from baselake.catalog.references import add_reference
from baselake.errors import InputError, NotFoundError
from baselake.ingest.bam import ingest_bam
from baselake.ingest.fastq import ingest_fastq
from tests.ingest.sam_files import sam_line, write_bam


def fastq_records(path: Path) -> list[tuple[str, str | None, str, str | None]]:
    with pysam.FastxFile(str(path)) as file:
        return [(record.name, record.comment, record.sequence, record.quality) for record in file]


def test_fastq_in_is_fastq_out(catalog: Catalog, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "accuracy_NA12878_chr20" / "derived"
    given = [folder / f"NA12878_S1_L001_R{segment}_001.fastq.gz" for segment in (1, 2)]
    ingest_fastq(catalog, given, sample="S")
    written = export_fastq(catalog, "S", str(tmp_path / "out_R{segment}.fastq.gz"))
    assert [path.name for path in written] == ["out_R1.fastq.gz", "out_R2.fastq.gz"]
    first, second = (fastq_records(path) for path in written)
    assert [name for name, *_ in first] == [name for name, *_ in second]
    for before, after in zip(given, (first, second), strict=True):
        assert Counter(fastq_records(before)) == Counter(after)


def test_a_bams_reads_are_those_of_samtools_fastq(
    catalog: Catalog, shared_data: Path, tmp_path: Path
) -> None:
    source = shared_data / "trio_CEU_chr20_10kb" / "NA12892.chr20.10_10p1mb_sorted.bam"
    add_reference(catalog, source.parent / "hs37d5.chr20.fa.gz", "b37")
    ingest_bam(catalog, [source])
    written = export_fastq(catalog, "NA12892", str(tmp_path / "{segment}.fastq"))
    assert [path.name for path in written] == ["1.fastq", "2.fastq", "single.fastq"]
    first, second, alone = (fastq_records(path) for path in written)
    assert [name for name, *_ in first] == [name for name, *_ in second]
    expected = tmp_path / "samtools.fastq"
    pysam.samtools.fastq(
        "-n", "-0", str(expected), "-o", str(expected), "-F", "0x900", str(source), catch_stdout=False
    )
    assert Counter(first + second + alone) == Counter(fastq_records(expected))


def test_reads_of_one_end_need_one_file(catalog: Catalog, tmp_path: Path) -> None:
    lines = [sam_line("a", 4, "*", 0, 0, "*"), sam_line("b", 4, "*", 0, 0, "*", qual="*")]
    ingest_bam(catalog, [write_bam(tmp_path / "u.bam", lines)], sample="S")
    (path,) = export_fastq(catalog, "S", str(tmp_path / "out.fastq"))
    assert path.read_text() == '@a\nACGTACGTAC\n+\nABCDEFGHIJ\n@b\nACGTACGTAC\n+\n""""""""""\n'


def test_pairs_need_two_files(catalog: Catalog, tmp_path: Path) -> None:
    lines = [sam_line("a", 77, "*", 0, 0, "*"), sam_line("a", 141, "*", 0, 0, "*")]
    ingest_bam(catalog, [write_bam(tmp_path / "u.bam", lines)], sample="S")
    with pytest.raises(InputError, match="two files"):
        export_fastq(catalog, "S", str(tmp_path / "out.fastq"))
    with pytest.raises(NotFoundError, match="T has no reads"):
        export_fastq(catalog, "T", str(tmp_path / "out.fastq"))
