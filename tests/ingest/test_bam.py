"""Importing SAM, BAM and CRAM into a lake."""

import gzip
from dataclasses import dataclass, field
from pathlib import Path

import pysam
import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.references import add_reference
from baselake.errors import ConflictError, InputError, TruncatedInputError
from baselake.ingest.bam import ingest_bam
from baselake.progress import QuietProgress
from tests.ingest.sam_files import CONTIGS, HEADER, sam_line, write_bam

RG = "@RG\tID:g1\tSM:S1\tLB:L1\tPL:ILLUMINA\tPU:FC.1\tDS:a note\n@RG\tID:g2\tSM:S2\n"


@dataclass
class Notes(QuietProgress):
    """Keeps what it is told."""

    said: list[str] = field(default_factory=list)

    def note(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "ref.fa"
    path.write_text("".join(f">{name}\n{'ACGT' * (length // 4)}\n" for name, length in CONTIGS.items()))
    return path


@pytest.fixture
def lake_with_reference(catalog: Catalog, fasta: Path) -> Catalog:
    add_reference(catalog, fasta, "tiny")
    return catalog


def contents(catalog: Catalog) -> dict[str, int]:
    """Rows of every table that an import may touch."""
    tables = ("read_records", "alignments", "samples", "read_groups", "runs", "source_files")
    return {table: catalog.query(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py() for table in tables}


def names(catalog: Catalog, sample: str) -> list[str]:
    rows = catalog.query(
        "SELECT decode_name(filename, file_row_number, block_row) AS name FROM stored_alignments"
        " WHERE sample_id = ? ORDER BY contig NULLS LAST, start, rowid",
        [sample],
    )
    return rows["name"].to_pylist()


def test_read_groups_say_whose_each_record_is(lake_with_reference: Catalog, tmp_path: Path) -> None:
    catalog = lake_with_reference
    lines = [sam_line("a", tags=["RG:Z:g1"]), sam_line("b", tags=["RG:Z:g2"]), sam_line("c")]
    done = ingest_bam(catalog, [write_bam(tmp_path / "two.of.us.bam", lines, HEADER + RG)])
    assert (done.reads, done.alignments, done.samples) == (3, 3, ("S1", "S2"))
    owners = {
        row["name"]: row["sample_id"]
        for row in catalog.query("SELECT name, sample_id FROM reads").to_pylist()
    }
    assert owners == {"a": "S1", "b": "S2", "c": "two"}
    (group,) = catalog.query("SELECT * FROM read_groups WHERE id = 'g1'").to_pylist()
    assert group["read_group_id"] == "S1.g1"
    assert [group[column] for column in ("library", "platform", "platform_unit")] == [
        "L1",
        "ILLUMINA",
        "FC.1",
    ]
    assert group["attributes"] == [("DS", "a note")]
    (source,) = catalog.query("SELECT * FROM source_files").to_pylist()
    assert source["header"] == HEADER + RG
    assert (source["format"], source["records"], source["sample_ids"]) == ("bam", 3, ["S1", "S2"])


def test_a_given_sample_takes_the_place_of_the_one_sample_of_a_file(
    lake_with_reference: Catalog, tmp_path: Path
) -> None:
    one = HEADER + "@RG\tID:g1\tSM:S1\n"
    ingest_bam(
        lake_with_reference,
        [write_bam(tmp_path / "a.bam", [sam_line(tags=["RG:Z:g1"]), sam_line("n")], one)],
        sample="mine",
    )
    assert names(lake_with_reference, "mine") == ["r1", "n"]
    with pytest.raises(InputError, match="S1, S2"):
        ingest_bam(lake_with_reference, [write_bam(tmp_path / "b.bam", [], HEADER + RG)], sample="mine")


def test_the_same_content_is_imported_once(lake_with_reference: Catalog, tmp_path: Path) -> None:
    catalog = lake_with_reference
    bam = write_bam(tmp_path / "a.bam", [sam_line(f"r{n}", pos=n + 1) for n in range(50)])
    assert ingest_bam(catalog, [bam]).files == (bam,)
    before = contents(catalog)
    packed = tmp_path / "again" / "a.bam"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(gzip.decompress(bam.read_bytes())))
    assert packed.read_bytes() != bam.read_bytes()
    for path in (bam, packed):
        again = ingest_bam(catalog, [path], sample="a")
        assert (again.files, again.skipped, again.reads) == ((), (path,), 0)
    assert contents(catalog) == before
    with pytest.raises(ConflictError, match="imported as sample a"):
        ingest_bam(catalog, [bam], sample="other")


def test_a_file_without_records_is_told(lake_with_reference: Catalog, tmp_path: Path) -> None:
    notes = Notes()
    empty = write_bam(tmp_path / "empty.bam", [], HEADER + "@RG\tID:g1\tSM:S1\n")
    full = write_bam(tmp_path / "full.bam", [sam_line("a")])
    done = ingest_bam(lake_with_reference, [empty, full], progress=notes)
    assert (done.reads, done.files) == (1, (empty, full))
    assert notes.said == ["WARNING: empty.bam has a header and no records: nothing of S1 came from it"]


def test_two_sources_of_a_samples_alignments_conflict(lake_with_reference: Catalog, tmp_path: Path) -> None:
    ingest_bam(lake_with_reference, [write_bam(tmp_path / "a.bam", [sam_line()])], sample="S")
    before = contents(lake_with_reference)
    with pytest.raises(ConflictError, match="S has alignments on reference tiny already"):
        ingest_bam(lake_with_reference, [write_bam(tmp_path / "b.bam", [sam_line("other")])], sample="S")
    assert contents(lake_with_reference) == before


def test_unsorted_files_are_sorted_and_files_of_one_sample_merged(
    lake_with_reference: Catalog, tmp_path: Path
) -> None:
    one = HEADER + "@RG\tID:g1\tSM:S\n"
    a = write_bam(
        tmp_path / "a.bam", [sam_line("a9", pos=9), sam_line("a5", pos=5), sam_line("a7", pos=7)], one
    )
    b = write_bam(tmp_path / "b.bam", [sam_line("b5", pos=5), sam_line("bx", 4, "*", 0, cigar="*")], one)
    ingest_bam(lake_with_reference, [a], sample="alone")
    assert names(lake_with_reference, "alone") == ["a5", "a7", "a9"]
    other = write_bam(tmp_path / "a2.bam", [sam_line("a9", pos=9), sam_line("a5", pos=5)], one)
    ingest_bam(lake_with_reference, [other, b])
    assert names(lake_with_reference, "S") == ["a5", "b5", "a9", "bx"]


def test_an_unaligned_bam_needs_no_reference_and_keeps_every_tag(catalog: Catalog, tmp_path: Path) -> None:
    tags = ["MM:Z:C+m,0,1;", "ML:B:C,200,10", "RG:Z:g1", "qs:f:12.5"]
    line = sam_line("read", 4, "*", 0, 0, "*", tags=tags)
    for number, header in enumerate(("@RG\tID:g1\tSM:S1\n", HEADER)):
        path = write_bam(tmp_path / f"u{number}.bam", [line], header)
        done = ingest_bam(catalog, [path])
        assert (done.reads, done.alignments) == (1, 0)
    read = catalog.query("SELECT * FROM reads WHERE sample_id = 'S1'").to_pylist()[0]
    assert read["tags"] == b"MMZC+m,0,1;\0MLBC\x02\0\0\0\xc8\x0aRGZg1\0qsf\0\0\x48\x41"
    assert (read["seq"], read["qual"]) == ("ACGTACGTAC", "ABCDEFGHIJ")


def test_unmapped_reads_are_alignments_only_beside_mapped_ones(
    lake_with_reference: Catalog, tmp_path: Path
) -> None:
    unmapped = sam_line("u", 4, "*", 0, 0, "*")
    for name, lines in {"unaligned": [unmapped], "aligned": [sam_line(), unmapped]}.items():
        path = write_bam(tmp_path / f"{name}.bam", lines)
        done = ingest_bam(lake_with_reference, [path])
        assert (done.reads, done.alignments) == (len(lines), len(lines) if name == "aligned" else 0)


def test_runs_and_lanes_are_told_by_read_names(lake_with_reference: Catalog, tmp_path: Path) -> None:
    lines = [sam_line("HS10:7:FLOW:2:1101:5:6"), sam_line("HS10:7:FLOW:3:1101:5:6"), sam_line("anything")]
    path = write_bam(tmp_path / "a.bam", lines)
    ingest_bam(lake_with_reference, [path])
    rows = lake_with_reference.query("SELECT name, run_id, lane FROM reads ORDER BY lane").to_pylist()
    assert [(row["run_id"], row["lane"]) for row in rows[:2]] == [("HS10_7_FLOW", 2), ("HS10_7_FLOW", 3)]
    assert rows[2]["run_id"].startswith("import-")
    (run,) = lake_with_reference.query("SELECT * FROM runs WHERE run_id = 'HS10_7_FLOW'").to_pylist()
    assert (run["instrument"], run["flowcell"], run["platform"]) == ("HS10", "FLOW", "ILLUMINA")


class TestReference:
    """Alignments are put on a registered assembly, found by its contigs or given by name."""

    def test_none_registered(self, catalog: Catalog, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="chr1") as raised:
            ingest_bam(catalog, [write_bam(tmp_path / "a.bam", [sam_line()])])
        assert "baselake reference add" in raised.value.remedy

    def test_another_length(self, lake_with_reference: Catalog, tmp_path: Path) -> None:
        path = write_bam(tmp_path / "a.bam", [sam_line()], HEADER.replace("LN:1000", "LN:999"))
        for chosen in (None, "tiny"):
            with pytest.raises(
                InputError, match=r"a\.bam: contig chr1 has 999 bases .* 1,000 in reference tiny"
            ):
                ingest_bam(lake_with_reference, [path], reference=chosen)

    def test_another_sequence(self, lake_with_reference: Catalog, tmp_path: Path) -> None:
        path = write_bam(
            tmp_path / "a.bam", [sam_line()], HEADER.replace("LN:1000", f"LN:1000\tM5:{'0' * 32}")
        )
        with pytest.raises(InputError, match="M5"):
            ingest_bam(lake_with_reference, [path])
        assert ingest_bam(lake_with_reference, [path], reference="tiny").alignments == 1

    def test_a_contig_that_it_lacks(self, lake_with_reference: Catalog, tmp_path: Path) -> None:
        header = HEADER + "@SQ\tSN:chr9\tLN:500\n"
        used = write_bam(tmp_path / "used.bam", [sam_line(), sam_line("far", contig="chr9")], header)
        with pytest.raises(InputError, match=r"used\.bam, record 2 \(far\): it lies on contig chr9"):
            ingest_bam(lake_with_reference, [used])
        assert not any(contents(lake_with_reference).values())
        unused = write_bam(tmp_path / "unused.bam", [sam_line(mate=("chr9", 4))], header)
        assert ingest_bam(lake_with_reference, [unused]).alignments == 1

    def test_two_that_fit_equally(self, lake_with_reference: Catalog, tmp_path: Path) -> None:
        masked = tmp_path / "masked.fa"
        masked.write_text("".join(f">{name}\n{'N' * length}\n" for name, length in CONTIGS.items()))
        add_reference(lake_with_reference, masked, "masked")
        path = write_bam(tmp_path / "a.bam", [sam_line()])
        with pytest.raises(InputError, match="masked and of tiny"):
            ingest_bam(lake_with_reference, [path])
        ingest_bam(lake_with_reference, [path], reference="masked")
        assert lake_with_reference.query("SELECT DISTINCT reference FROM alignments")[
            "reference"
        ].to_pylist() == ["masked"]

    def test_a_cram_without_it(self, catalog: Catalog, fasta: Path, tmp_path: Path) -> None:
        bam = write_bam(
            tmp_path / "a.bam", [sam_line(f"r{n}", pos=n + 1, tags=["MD:Z:10", "XX:i:5"]) for n in range(20)]
        )
        cram = tmp_path / "a.cram"
        pysam.samtools.view("-C", "-T", str(fasta), "-o", str(cram), str(bam), catch_stdout=False)
        with pytest.raises(InputError, match="chr1") as raised:
            ingest_bam(catalog, [cram])
        assert "baselake reference add" in raised.value.remedy
        add_reference(catalog, fasta, "tiny")
        fasta.unlink()
        assert ingest_bam(catalog, [cram]).alignments == 20


def test_a_faulty_file_leaves_nothing(lake_with_reference: Catalog, tmp_path: Path) -> None:
    good = write_bam(tmp_path / "good.bam", [sam_line()])
    bad = write_bam(tmp_path / "bad.bam", [sam_line(f"r{n}") for n in range(1000)])
    bad.write_bytes(bad.read_bytes()[:-28])
    with pytest.raises(TruncatedInputError, match=r"bad\.bam, after record 1,000: .* empty block"):
        ingest_bam(lake_with_reference, [good, bad])
    assert not any(contents(lake_with_reference).values())
    files = list((lake_with_reference.layout.data / "main").rglob("*.parquet"))
    assert not [path for path in files if "alignments" in str(path) or "read_records" in str(path)]


def test_real_unsound_files_are_errors_that_name_them(catalog: Catalog, shared_data: Path) -> None:
    folder = shared_data / "robustness" / "htsjdk_ValidateSamFileTest"
    for path in sorted(folder.glob("*.?am")):
        try:
            ingest_bam(catalog, [path], sample=path.stem)
        except (InputError, ConflictError) as error:
            assert path.name in error.where  # noqa: PT017 - many raise, for want of their reference


def test_the_real_slices_keep_every_record(catalog: Catalog, shared_data: Path) -> None:
    slices = {
        "hg19": shared_data / "accuracy_NA12878_chr20" / "NA12878_S1.chr20.10_10p1mb.bam",
        "b37": shared_data / "trio_CEU_chr20_10kb" / "NA12891.chr20.10_10p1mb_sorted.bam",
    }
    add_reference(catalog, slices["hg19"].parent / "ucsc.hg19.chr20.unittest.fasta.gz", "hg19")
    add_reference(catalog, slices["b37"].parent / "hs37d5.chr20.fa.gz", "b37")
    for reference, path in slices.items():
        done = ingest_bam(catalog, [path])
        assert done.alignments == int(pysam.samtools.view("-c", str(path)))
        assert done.reads == int(pysam.samtools.view("-c", "-F", "0x900", str(path)))
        rows = catalog.query(
            "SELECT DISTINCT reference FROM alignments WHERE list_contains(?, sample_id)",
            [list(done.samples)],
        )
        assert rows["reference"].to_pylist() == [reference]
