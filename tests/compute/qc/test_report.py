"""The report: HTML that parses, needs nothing else, names its figures and hides no warning."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from baselake.api import Lake
from baselake.catalog.catalog import Catalog
from baselake.catalog.references import add_reference
from baselake.compute.qc.definitions import DEFINITIONS, warnings_of, written
from baselake.compute.qc.svg import bars, line
from baselake.errors import NotFoundError
from baselake.ingest.bam import ingest_bam
from tests.cli.test_cli import run
from tests.compute.qc.test_sample import BASES, made_bam

_EMPTY = {"meta"}


class _Page(HTMLParser):
    """Sees that every element is closed in its turn, and keeps text and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(html: str) -> _Page:
    page = _Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


# A name that would be markup, were it not escaped.
SAMPLE = "<b>A&B</b>"


@pytest.fixture
def lake_with_sample(catalog: Catalog, tmp_path: Path) -> Lake:
    fasta = tmp_path / "tiny.fa"
    fasta.write_text("".join(f">{name}\n{bases}\n" for name, bases in BASES.items()))
    add_reference(catalog, fasta, "tiny")
    ingest_bam(catalog, [made_bam(tmp_path / "made.bam")], sample=SAMPLE, reference="tiny")
    lake = Lake(catalog)
    lake.describe_sample(SAMPLE, sex="female")
    return lake


def test_a_report_of_a_called_sample(lake_with_sample: Lake, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    lake_with_sample.report(SAMPLE, out)
    before = parsed(out.read_text())
    assert any("Not called" in text for text in before.text)
    lake_with_sample.call([SAMPLE])
    lake_with_sample.report(SAMPLE, out)
    page = parsed(out.read_text())
    said = " ".join(page.text)
    assert SAMPLE in page.text
    assert not {"b", "script", "link", "img", "iframe"} & set(page.tags)
    assert page.links == []
    assert "@import" not in out.read_text()
    assert "url(" not in out.read_text()
    assert page.tags.count("svg") == page.tags.count("figcaption") == 5
    (digest,) = lake_with_sample.sql('SELECT digest FROM "references"')["digest"].to_pylist()
    assert digest in said
    rows = lake_with_sample.sql("SELECT metric, value FROM sample_qc WHERE bin IS NULL").to_pylist()
    for row in rows:
        known = DEFINITIONS[row["metric"]]
        assert {known.label, known.text, written(row["metric"], row["value"])} <= set(page.text)
    # X is half as deep as a woman's, and the warning stands before the figures.
    assert "Sex mismatch: stated female, the data say male" in said or "Sex is not clear" in said
    assert said.index("stated female") < said.index("How it is defined")
    jobs = lake_with_sample.sql(
        "SELECT max(job_id) AS job_id FROM lineage WHERE operation IN ('ingest', 'call', 'qc') GROUP BY operation"
    )["job_id"].to_pylist()
    assert len(jobs) == 3
    assert all(job in said for job in jobs)
    assert [path.name for path in tmp_path.glob("*.html")] == ["report.html"]
    again = out.read_bytes()
    lake_with_sample.report(SAMPLE, out)
    assert out.read_bytes() == again


def test_the_command_writes_it_and_tells_where(lake_with_sample: Lake, tmp_path: Path) -> None:
    root, out = lake_with_sample.catalog.layout.root, tmp_path / "out.html"
    done = run("report", SAMPLE, "-o", out, lake=root)
    assert (done.returncode, done.stdout.decode()) == (0, f"{out}\n")
    assert parsed(out.read_text()).tags.count("svg") >= 3
    missing = run("report", "NOBODY", lake=root)
    assert missing.returncode == 1
    assert b"no sample 'NOBODY'" in missing.stderr


def test_a_folder_that_is_not_there_is_told(lake_with_sample: Lake, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such folder"):
        lake_with_sample.report(SAMPLE, tmp_path / "none" / "report.html")


@pytest.mark.parametrize(
    ("metrics", "sex", "word"),
    [
        ({"x_copies": 1.0, "y_copies": 1.0}, "female", "Sex mismatch: stated female, the data say male"),
        ({"x_copies": 2.0, "y_copies": 0.0}, "male", "Sex mismatch: stated male, the data say female"),
        ({"x_copies": 2.0, "y_copies": 1.0}, "male", "Sex is not clear"),
        ({"contamination": 0.05}, None, "Contamination: about 5.00%"),
        ({"mean_coverage_covered": 7.0}, None, "Low coverage: 7.0 reads"),
        ({"mapped_rate": 0.5}, None, "Only 50.00% of the reads are mapped"),
    ],
)
def test_warnings(metrics: dict[str, float], sex: str | None, word: str) -> None:
    sound = {"snvs": 1.0, "mean_coverage_covered": 30.0, "mapped_rate": 0.99, "contamination": 0.0}
    (told,) = warnings_of(sound | metrics, sex)
    assert told.startswith(word)
    assert warnings_of(sound, sex) == []
    assert warnings_of(sound | {"x_copies": 1.0, "y_copies": 0.9}, "male") == []


def test_plots_escape_what_they_name() -> None:
    plot = bars("a<b", {"x&y": {-1: 2.0, 3: 1.0}, "z": {0: 1.0}}, "<x>", "&y") + line(
        "t", [1.0, 2.0], [0, 1], ["chr<1", "chr2"], "x", "y"
    )
    page = parsed(plot)
    assert {"a<b", "x&y", "<x>", "&y", "chr<1"} <= set(page.text)
    assert "svg" not in bars("none", {"x": {}}, "x", "y")
    assert "svg" not in line("none", [], [], [], "x", "y")
