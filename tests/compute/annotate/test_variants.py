"""Alleles of the lake are annotated once by each release of gene models, in one transaction, and forgotten with it."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.erase.erasure import erase_sample
from baselake.catalog.erase.keys import open_keys
from baselake.catalog.references import add_reference
from baselake.compute.annotate import annotate_variants
from baselake.compute.annotate import variants as annotating
from baselake.config import Config
from baselake.errors import ConflictError, NotFoundError
from baselake.ingest.annotations import load_source
from baselake.ingest.genes import load_genes
from baselake.ingest.vcf.imports import ingest_vcf
from tests.commands import baselake
from tests.compute.annotate.asked import consequences
from tests.compute.annotate.gene_models import random_alleles, random_models, with_frames, write_gff3
from tests.ingest.vcf.vcf_files import write_vcf

RNG = random.Random(7)
GENOME = "".join(RNG.choices("ACGT", k=30_000))
MODELS = random_models(RNG, len(GENOME))
GENOME = with_frames(RNG, GENOME, MODELS)
ALLELES = random_alleles(RNG, GENOME, MODELS, 300)


def vcf(path: Path, sample: str, alleles: list[tuple[int, str, str]]) -> Path:
    return write_vcf(path, [f"1 {p + 1} . {ref} {alt} . . . GT 0/1" for p, ref, alt in alleles], (sample,))


@pytest.fixture
def called(catalog: Catalog, tmp_path: Path) -> Catalog:
    """A lake with a sample of every second allele, and gene models."""
    (tmp_path / "r.fa").write_text(f">1\n{GENOME}\n>2\nACGTACGT\n")
    add_reference(catalog, tmp_path / "r.fa", "r")
    ingest_vcf(catalog, [vcf(tmp_path / "one.vcf", "ONE", ALLELES[::2])])
    load_genes(catalog, write_gff3(tmp_path / "g.gff3", "1", MODELS), version="first")
    return catalog


def test_each_allele_is_annotated_once(
    called: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotating, "_ALLELES", 2048)
    done = annotate_variants(called)
    assert (done.version, done.alleles) == ("first", called.query("FROM variants").num_rows)
    assert annotate_variants(called).alleles == 0
    ingest_vcf(called, [vcf(tmp_path / "two.vcf", "TWO", ALLELES)])
    before = called.query("SELECT count(*) AS n FROM variants ANTI JOIN consequences USING (variant_id)")["n"]
    assert annotate_variants(called).alleles == before[0].as_py() > 0
    # The rows are those of the alleles asked about at once.
    stored = called.query(
        "SELECT variant_id, start, ref, alt FROM variants ORDER BY start, variant_id"
    ).to_pylist()
    asked = consequences(GENOME, MODELS, [(row["start"], row["ref"], row["alt"]) for row in stored])
    wanted = {
        (row["variant_id"], name, tuple(one["terms"]), one["hgvs_c"], one["hgvs_p"])
        for row, found in zip(stored, asked, strict=True)
        for name, one in found.items()
    }
    rows = called.query(
        "SELECT variant_id, transcript_id, terms, hgvs_c, hgvs_p FROM consequences"
    ).to_pylist()
    assert len(rows) == len(wanted)
    assert {
        (*list(row.values())[:2], tuple(row["terms"]), row["hgvs_c"], row["hgvs_p"]) for row in rows
    } == wanted


def test_other_gene_models_annotate_anew_and_the_old_answer_stays(
    called: Catalog, lake: Path, config: Config, tmp_path: Path
) -> None:
    first = annotate_variants(called)
    then = called.newest_snapshot()
    load_genes(called, write_gff3(tmp_path / "g.gff3", "1", MODELS[1:]), version="second")
    second = annotate_variants(called)
    assert (second.version, second.alleles) == ("second", first.alleles)
    gone = MODELS[0].name
    counted = f"SELECT count(*) AS n FROM consequences WHERE transcript_id = '{gone}'"
    assert called.query(counted)["n"][0].as_py() == 0
    assert called.query("SELECT DISTINCT release_id FROM consequences").num_rows == 1
    with connect(lake, config, at=then) as earlier:
        assert earlier.query(counted)["n"][0].as_py() > 0


def test_without_gene_models_it_is_told_how_to_load_them(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "r.fa").write_text(">1\nACGT\n")
    add_reference(catalog, tmp_path / "r.fa", "r")
    with pytest.raises(NotFoundError, match=r"has no gene models.*annotate genes FILE --reference r"):
        annotate_variants(catalog)


def test_two_at_once_do_not_write_the_same_twice(
    called: Catalog, lake: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = annotating._contig

    def meanwhile(*arguments: object) -> Iterator[tuple[int, int]]:
        yield from real(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(annotating, "_contig", real)
        with connect(lake, config) as other:
            annotate_variants(other)

    monkeypatch.setattr(annotating, "_contig", meanwhile)
    with pytest.raises(ConflictError, match="another process annotated"):
        annotate_variants(called)
    twice = "SELECT 1 FROM consequences GROUP BY variant_id, transcript_id HAVING count(*) > 1"
    assert called.query(twice).num_rows == 0
    files = {path.name for path in called.layout.data.rglob("consequences/**/*.parquet")}
    listed = called.query("SELECT data_file FROM ducklake_list_files('lake', 'consequences')")["data_file"]
    assert files == {Path(name).name for name in listed.to_pylist()}


def test_consequences_of_an_erased_persons_own_alleles_go_with_them(called: Catalog, tmp_path: Path) -> None:
    ingest_vcf(called, [vcf(tmp_path / "two.vcf", "MARTHA", ALLELES[:100])])
    known = write_vcf(tmp_path / "known.vcf", [f"1 {p + 1} . {r} {a} . . AC=1" for p, r, a in ALLELES[:9]])
    load_source(called, "known", known)
    annotate_variants(called)
    rows = called.query("FROM annotations").num_rows
    erase_sample(called, "MARTHA", open_keys(tmp_path / "keys", tmp_path / "lake"), "the test")
    left = called.query("SELECT DISTINCT variant_id FROM consequences")["variant_id"].to_pylist()
    assert (
        sorted(left) == called.query("SELECT variant_id FROM variants ORDER BY 1")["variant_id"].to_pylist()
    )
    assert called.query("FROM annotations").num_rows == rows


def test_the_command_tells_what_it_did(called: Catalog, lake: Path) -> None:
    out = baselake(lake, "annotate", "variants").stdout
    assert out.startswith(f"{called.query('FROM variants').num_rows} alleles, ")
    assert out.endswith(" consequences, by release first\n")
    effects = baselake(lake, "query", "effects", "--format", "csv").stdout.splitlines()
    assert effects[0].startswith("reference,variant_id,contig,start,gene_id,gene,transcript_id")
    assert len(effects) > 50
