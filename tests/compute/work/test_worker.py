"""A worker waits for a catalog that goes away, and annotates alleles that nobody asked it to."""

from pathlib import Path
from threading import Event

import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.references import add_reference
from baselake.catalog.work.queue import Terms
from baselake.compute.work.worker import WorkSettings, work
from baselake.config import Config
from baselake.errors import LakeError
from baselake.ingest.genes import load_genes
from baselake.ingest.vcf.imports import ingest_vcf
from tests.ingest.vcf.vcf_files import write_vcf


def test_a_catalog_that_is_away_is_told_once_and_waited_for(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, looks = Event(), 0
    said: list[str] = []

    def lease() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            stop.set()
            return
        raise LakeError("the catalog's database cannot be reached", "somewhere")

    monkeypatch.setattr(catalog, "lease", lease)
    work(catalog, WorkSettings(reference="ref", terms=Terms(), poll=0.01), stop, said.append)
    assert looks == 3
    assert said[1:] == ["somewhere: the catalog's database cannot be reached", "ended"]


def test_alleles_that_come_are_annotated_unasked(lake: Path, config: Config, tmp_path: Path) -> None:
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 10}ATG{'TGG' * 10}TAA{'A' * 50}\n")
    rows = [("gene", "ID=gene:G;Name=N"), ("mRNA", "ID=transcript:T;Parent=gene:G")]
    rows += [("exon", "Parent=transcript:T"), ("CDS", "Parent=transcript:T")]
    (tmp_path / "g.gff3").write_text(
        "##gff-version 3\n"
        + "".join(
            f"1\tmade\t{kind}\t11\t46\t.\t+\t{'0' if kind == 'CDS' else '.'}\t{said}\n" for kind, said in rows
        )
    )
    settings = WorkSettings(reference="flat", terms=Terms(), poll=0.01)

    def works(catalog: Catalog) -> list[str]:
        """What the worker said that it did until nothing was left."""
        said: list[str] = []
        work(catalog, settings, Event(), said.append, once=True)
        return [line.partition(" in ")[0] for line in said[1:-1]]

    with connect(lake, config) as catalog:
        add_reference(catalog, tmp_path / "r.fa", "flat")
        ingest_vcf(catalog, [write_vcf(tmp_path / "1.vcf", ["1 14 . T C . . . GT 0/1"], ("S1",))])
        assert works(catalog) == []  # there is nothing to tell of genes
        load_genes(catalog, tmp_path / "g.gff3")
        assert works(catalog) == ["annotate *: begun", "annotate *: done"]
        assert works(catalog) == []
        ingest_vcf(catalog, [write_vcf(tmp_path / "2.vcf", ["1 16 . G A . . . GT 0/1"], ("S2",))])
        assert works(catalog) == ["annotate *: begun", "annotate *: done"]
        told = catalog.rows("SELECT variant_id, terms FROM consequences WHERE gene = 'N' ORDER BY start")
        assert told == [("1-14-T-C", ["missense_variant"]), ("1-16-G-A", ["stop_gained"])]
        assert catalog.rows("SELECT count(*) FROM lineage WHERE operation = 'annotate variants'") == [(2,)]
