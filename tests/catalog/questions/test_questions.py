"""Questions by name: their arguments, what they will read, and receipts."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from baselake.api import Lake
from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.explain import explain
from baselake.catalog.questions import question_sql, questions
from baselake.catalog.receipts import make_receipt, read_receipt, rerun, write_receipt
from baselake.catalog.references import add_reference
from baselake.config import Config
from baselake.errors import BaselakeError, InputError, NotFoundError
from baselake.ingest.vcf.imports import ingest_vcf
from tests.commands import baselake as command
from tests.ingest.vcf.vcf_files import write_vcf


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Path:
    """A lake of two samples with calls on two contigs."""
    folder = tmp_path_factory.mktemp("called")
    (folder / "r.fa").write_text(f">1\n{'A' * 900}\n>2\n{'A' * 900}\n")
    create(folder / "lake", config)
    with connect(folder / "lake", config) as catalog:
        add_reference(catalog, folder / "r.fa", "flat")
        for sample in ("S1", "it's"):
            records = [f"{c} {p} . A C . . . GT 0/1" for c in "12" for p in range(10, 800, 10)]
            ingest_vcf(catalog, [write_vcf(folder / f"{sample}.vcf", records, (sample,))])
    return folder / "lake"


@pytest.fixture(scope="module")
def called(made: Path, config: Config) -> Iterator[Lake]:
    """The lake, open; nobody changes it."""
    with connect(made, config, read_only=True) as catalog:
        yield Lake(catalog)


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    """The folder of a copy of the lake."""
    return Path(shutil.copytree(made, tmp_path / "lake"))


@pytest.mark.parametrize(
    ("name", "arguments", "named", "sql"),
    [
        ("carriers", ["1-10-A-C"], {}, "SELECT * FROM carriers('1-10-A-C')"),
        ("titv", ["it's"], {"passed": True}, "SELECT * FROM titv('it''s', passed => true)"),
        ("rare", [0.5, "S1"], {}, "SELECT * FROM rare(0.5, cohort => 'S1')"),
        (
            "allele_frequency",
            ["all"],
            {"place": "1:1-2,000", "min_depth": 3},
            "SELECT * FROM allele_frequency('all', place => '1:1-2,000', min_depth => 3)",
        ),
    ],
)
def test_a_question_is_sql(called: Lake, name: str, arguments: list, named: dict, sql: str) -> None:
    assert question_sql(called.catalog, name, arguments, named) == sql
    assert called.query(name, *arguments, **named).num_columns


@pytest.mark.parametrize(
    ("name", "arguments", "named", "error", "reason"),
    [
        ("divine", [], {}, NotFoundError, "no question 'divine'"),
        ("carriers", [], {}, InputError, "the argument variant is missing"),
        ("carriers", ["a", "b"], {}, InputError, "2 arguments where 1 are known"),
        ("carriers", ["a"], {"variant": "b"}, InputError, "variant is given twice"),
        ("carriers", ["a"], {"colour": "b"}, InputError, "there is no argument colour"),
        ("rare", ["few"], {}, InputError, "max_af is 'few', and is a number"),
        ("titv", ["S1"], {"passed": "perhaps"}, InputError, "passed is 'perhaps', and is true or false"),
        ("titv", ["S9"], {}, NotFoundError, "no sample 'S9'"),
        ("de_novo", ["Smith"], {}, NotFoundError, "no cohort, family or sample 'Smith'"),
        ("region", ["3:1-5"], {}, NotFoundError, "no contig '3'"),
        ("region", ["1:5-1"], {}, InputError, "no such stretch of 1"),
    ],
)
def test_what_cannot_be_asked_is_told(
    called: Lake, name: str, arguments: list, named: dict, error: type[BaselakeError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        called.query(name, *arguments, **named)


def test_a_contig_may_be_written_with_chr_or_without(called: Lake) -> None:
    assert question_sql(called.catalog, "region", ["chr1:1-2,000"]) == "SELECT * FROM region('1:1-2,000')"
    assert question_sql(called.catalog, "region", ["chr2"]) == "SELECT * FROM region('2')"
    assert question_sql(called.catalog, "carriers", ["chr1-10-A-C"]) == "SELECT * FROM carriers('1-10-A-C')"
    assert called.query("carriers", "chr1-10-A-C") == called.query("carriers", "1-10-A-C")
    for wrong, what in (("chr7-10-A-C", "no contig 'chr7'"), ("rs123", "'rs123' is no variant_id")):
        with pytest.raises(BaselakeError, match=what):
            question_sql(called.catalog, "carriers", [wrong])


def test_an_answer_as_text_loads_neither_arrow_nor_numpy(made: Path) -> None:
    """They take longer to load than most questions to answer."""
    script = (
        "import sys; sys.argv = ['baselake', *sys.argv[1:]]; from baselake.cli import cli;"
        "cli.main(standalone_mode=False); print(sorted({'pyarrow', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    for words in (("query", "carriers", "1-10-A-C"), ("query", "rare", "0.5"), ("sql", "SELECT 1 AS one")):
        done = subprocess.run(
            [sys.executable, "-c", script, *words, "--lake", made, "--format", "csv"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout
        assert done.stderr.splitlines()[-1] == "[]"


def test_what_will_be_read_is_known_before(called: Lake) -> None:
    def files(name: str, *arguments: str) -> dict[str, tuple[int, int]]:
        found = explain(called.catalog, question_sql(called.catalog, name, arguments))
        assert [(tier.tier, tier.requests) for tier in found.tiers] in ([("hot", 0)], [])
        return {read.table: (read.files, read.of_files) for read in found.tables}

    assert files("carriers", "1-10-A-C") == {"genotypes": (2, 4)}
    assert files("titv", "S1") == {"genotypes": (2, 4), "variants": (2, 2)}
    # No allele lies there: nothing is read at all.
    assert files("region", "1:5-8") == {}
    sizes = called.catalog.query("SELECT sum(bytes) AS n FROM __ducklake_metadata_lake.baselake_files")["n"][
        0
    ].as_py()
    total = sum(read.bytes for read in explain(called.catalog, "SELECT * FROM genotypes").tables)
    assert 0 < total < sizes


def test_answers_come_as_arrow_or_lazily(called: Lake) -> None:
    table = called.query("carriers", "1-10-A-C")
    assert sorted(table["sample_id"].to_pylist()) == ["S1", "it's"]
    assert called.stream("carriers", "1-10-A-C").read_all().num_rows == 2
    polars = pytest.importorskip("polars")
    frame = called.lazy("region", "1:1-100").filter(polars.col("start") == 9).select("sample_id")
    assert isinstance(frame, polars.LazyFrame)
    assert frame.collect().height == 2


def test_a_receipt_asks_again_and_tells_what_is_new(copied: Path, config: Config, tmp_path: Path) -> None:
    with connect(copied, config) as catalog:
        _ask_again(catalog, copied, config, tmp_path)


def _ask_again(catalog: Catalog, lake: Path, config: Config, tmp_path: Path) -> None:
    sql = question_sql(catalog, "carriers", ["1-10-A-C"])
    receipt = make_receipt(catalog, "carriers", ["1-10-A-C"], {}, sql)
    write_receipt(receipt, tmp_path / "r.json")
    ingest_vcf(catalog, [write_vcf(tmp_path / "c.vcf", ["1 10 . A C . . . GT 1/1"], ("S3",))])
    known = read_receipt(tmp_path / "r.json")
    with connect(lake, config, at=known.snapshot) as then:
        outcome = rerun(then, catalog, known)
    assert (outcome.same, outcome.rows, outcome.gone, outcome.new) == (True, 2, 0, 1)
    with connect(lake, config, at=known.snapshot - 1) as earlier:
        assert rerun(earlier, catalog, known).same is False
    (tmp_path / "r.json").write_text("{}")
    with pytest.raises(InputError, match="it is no receipt"):
        read_receipt(tmp_path / "r.json")


def test_the_command_line_asks_explains_and_asks_again(copied: Path, tmp_path: Path) -> None:
    lake = copied
    receipt = tmp_path / "receipt.json"
    answer = command(
        lake, "query", "rare", "0.5", "cohort=S1", "place=1:10-20", "--receipt", receipt, "--format", "csv"
    )
    lines = answer.stdout.splitlines()
    assert lines[0].startswith("reference,variant_id,contig,start,ref,alt,type,ac,an,af")
    assert len(lines) == 3
    assert (
        "genotypes: at most 2 of 4 files"
        in command(lake, "query", "carriers", "1-10-A-C", "--explain").stdout
    )
    assert "2 rows, the same as then" in command(lake, "rerun", receipt).stdout
    refused = command(lake, "query", "titv", "S9", status=1).stderr
    assert refused.startswith("baselake: ")
    assert "no sample 'S9'" in refused
    listed = command(lake, "query").stdout
    assert all(name in listed for name in questions())
