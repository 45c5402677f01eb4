"""A VCF, BED or TSV becomes a source of annotation: alleles in normal form, releases that stay, errors with lines."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.references import add_reference
from baselake.config import Config
from baselake.errors import BaselakeError, ConflictError, InputError
from baselake.ingest.annotations import load_source
from tests.commands import baselake
from tests.ingest.vcf.vcf_files import write_vcf

#        1234567890123456789012345
BASES = "GACTTTTTACGACACACAGTCCATG" + "ACGT" * 100


def add(catalog: Catalog, folder: Path) -> Catalog:
    (folder / "r.fa").write_text(f">chr1\n{BASES}\n>chr2\n{BASES}\n")
    add_reference(catalog, folder / "r.fa", "r")
    return catalog


@pytest.fixture
def based(catalog: Catalog, tmp_path: Path) -> Catalog:
    return add(catalog, tmp_path)


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Iterator[Catalog]:
    """A lake that is only asked for what it refuses."""
    folder = tmp_path_factory.mktemp("refusing")
    create(folder / "lake", config)
    with connect(folder / "lake", config) as catalog:
        yield add(catalog, folder)


def test_alleles_of_a_vcf_are_brought_into_normal_form(based: Catalog, tmp_path: Path) -> None:
    records = [
        "1 8 x1 T C . PASS AC=5;AF=0.25;DB;GENES=A,B",
        # The last T of five is deleted, beside a substitution: values of each alternate go with it.
        "1 8 x2 TA A,CA . low AC=1,2;AF=0.5,0.125",
        "HLA 4 . A C . . AC=1",
    ]
    done = load_source(based, "known", write_vcf(tmp_path / "a.vcf", records), version="7")
    assert (done.kind, done.rows, done.version) == ("alleles", 3, "7")
    rows = based.query("FROM annotations ORDER BY start, id").to_pylist()
    assert [(row["variant_id"], row["start"], row["id"]) for row in rows] == [
        ("chr1-3-CT-C", 2, "x2"),
        ("chr1-8-T-C", 7, "x1"),
        ("chr1-8-T-C", 7, "x2"),
    ]
    assert [dict(row["integers"]) for row in rows] == [{"AC": [1]}, {"AC": [5]}, {"AC": [2]}]
    assert [dict(row["floats"]) for row in rows] == [{"AF": [0.5]}, {"AF": [0.25]}, {"AF": [0.125]}]
    assert [row["filters"] for row in rows] == [["low"], [], ["low"]]
    assert [row["flags"] for row in rows] == [[], ["DB"], []]
    assert [dict(row["strings"] or {}) for row in rows] == [{}, {"GENES": ["A", "B"]}, {}]


def test_chosen_keys_alone_are_kept(based: Catalog, tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "a.vcf", ["1 8 x1 T C . PASS AC=5;AF=0.25;DB;GENES=A,B"])
    load_source(based, "known", path, columns=["AF"])
    (row,) = based.query("SELECT flags, integers, floats, strings FROM annotations").to_pylist()
    assert (row["flags"], dict(row["floats"])) == ([], {"AF": [0.25]})
    assert not row["integers"]
    assert not row["strings"]
    # The same content with other keys is another release.
    assert load_source(based, "known", path, columns=["AF"]).skipped
    assert not load_source(based, "known", path).skipped
    with pytest.raises(InputError, match="no INFO key CLNSIG"):
        load_source(based, "known", path, columns=["CLNSIG"])


def test_regions_of_a_bed(based: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "a.bed.gz"
    path.write_bytes(
        gzip.compress(b"track name=t\nchr1\t0\t5\tfirst\t9\t+\n2\t3\t9\t.\t.\t-\nX\t1\t2\tno\t1\t+\n")
    )
    load_source(based, "masks", path)
    rows = based.query(
        'SELECT contig, start, "end", name, strings FROM annotation_regions ORDER BY 1'
    ).to_pylist()
    assert [(row["contig"], row["start"], row["end"], row["name"]) for row in rows] == [
        ("chr1", 0, 5, "first"),
        ("chr2", 3, 9, None),
    ]
    assert [dict(row["strings"]) for row in rows] == [{"score": ["9"], "strand": ["+"]}, {"strand": ["-"]}]


def test_lines_of_a_tsv_that_name_alleles(based: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("#Chrom\tpos\tref\talt\tscore\tn\tword\nchr2\t4\tT\tA\t0.5\t3\tx\n1\t8\tTA\tA\t.\t4\t\n")
    done = load_source(based, "scores", path)
    assert done.rows == 2
    rows = based.query("FROM annotations ORDER BY contig").to_pylist()
    assert [row["variant_id"] for row in rows] == ["chr1-3-CT-C", "chr2-4-T-A"]
    assert [dict(row["floats"]) for row in rows] == [{}, {"score": [0.5]}]
    assert [dict(row["integers"]) for row in rows] == [{"n": [4]}, {"n": [3]}]
    assert [dict(row["strings"]) for row in rows] == [{}, {"word": ["x"]}]


def test_lines_of_a_tsv_that_name_genes(based: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "genes_to_phenotype.txt"
    path.write_text("ncbi_gene_id\tgene_symbol\thpo_id\thpo_name\n1\tABC\tHP:0001250\tSeizure\n")
    assert load_source(based, "hpo", path, columns=["hpo_id"]).kind == "gene_terms"
    (row,) = based.query("FROM gene_annotations").to_pylist()
    assert (row["gene"], dict(row["strings"])) == ("ABC", {"hpo_id": ["HP:0001250"]})
    (release,) = based.query("FROM annotation_releases").to_pylist()
    assert (release["reference"], release["format"], release["records"]) == (None, "tsv", 1)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.bed", "1\t5\t9\n1\tfive\t9\n", r"line 2: start and end are not both numbers"),
        ("a.bed", "1\t5\t9\n1\t9\t5\n", r"line 2: the region ends before it begins"),
        ("a.bed", "1\t5\t9\n1\t9\t5000\n", r"line 2: the region ends beyond its contig"),
        ("a.bed", "1\t5\t9\tx\n1\t9\t12\n", r"line 2: the line has 3 columns and not 4"),
        ("a.tsv", "a\tb\n1\t2\n", r"line 1: its header names neither"),
        ("a.tsv", "chrom\tpos\tref\talt\n1\t4\tT\tA\n1\tx\tT\tA\n", r"line 3: the position is no number"),
        (
            "a.tsv",
            "chrom\tpos\tref\talt\n1\t4\tT\tA\n1\t4\tT\t<X>\n",
            r"line 3: ref and alt are not both bases",
        ),
        (
            "a.tsv",
            "chrom\tpos\tref\talt\n1\t9\tA\tC\n1\t4\tG\tA\n",
            r"line 3: REF is 'G' where the reference has 'T'",
        ),
        ("a.tsv", "gene\tterm\nA\tx\n\ty\n", r"line 3: the line names no gene"),
        ("a.tsv", "gene\tgene\nA\tx\n", r"line 1: column 2 has no name of its own"),
        ("a.bed", "9\t5\t9\n", r"nothing in it is on a contig of reference r"),
        (
            "a.vcf",
            "##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t4\t.\tG\tA\t.\t.\t.\n",
            r"line 3: REF",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(
    refusing: Catalog, tmp_path: Path, name: str, text: str, reason: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=reason) as refused:
        load_source(refusing, "s", path)
    assert str(path) in refused.value.where
    assert refusing.query("FROM annotation_releases").num_rows == 0
    assert not list(refusing.layout.data.rglob("*annotation*/**/*.parquet"))


@pytest.mark.parametrize("name", ["genes", "", "a b", "x/y"])
def test_a_source_has_a_word_for_a_name(refusing: Catalog, tmp_path: Path, name: str) -> None:
    with pytest.raises(BaselakeError, match="a source cannot be called"):
        load_source(refusing, name, tmp_path / "a.vcf")


def test_releases_stay_and_the_last_answers(based: Catalog, tmp_path: Path) -> None:
    old = write_vcf(tmp_path / "old.vcf", ["1 8 . T C . . AC=5", "1 9 . A C . . AC=6"])
    new = write_vcf(tmp_path / "new.vcf", ["1 8 . T C . . AC=7"])
    load_source(based, "known", old, version="old")
    (tmp_path / "again.vcf.gz").write_bytes(gzip.compress(old.read_bytes()))
    assert load_source(based, "known", tmp_path / "again.vcf.gz").skipped
    load_source(based, "known", new, version="new")
    assert based.query("FROM annotations").num_rows == 3
    (row,) = based.query("FROM current_annotations").to_pylist()
    assert dict(row["integers"]) == {"AC": [7]}
    bed = tmp_path / "a.bed"
    bed.write_text("1\t2\t3\n")
    with pytest.raises(ConflictError, match="source known is of alleles, and the file of regions"):
        load_source(based, "known", bed)
    # What was named before answers again when it is loaded again.
    assert not load_source(based, "known", old, version="back").skipped
    assert based.query("FROM current_annotations").num_rows == 2


def test_the_command_loads_a_source(based: Catalog, lake: Path, tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "a.vcf", ["1 8 . T C . . AC=5;AF=0.5"])
    done = baselake(lake, "annotate", "source", "known", path, "--release", "1", "--columns", "AF")
    assert done.stdout == "1 rows of alleles, release 1\n"
