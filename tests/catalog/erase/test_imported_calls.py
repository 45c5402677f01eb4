"""Calls that were imported as VCF are erased with their records, and others' are not."""

from pathlib import Path

from baselake.catalog.catalog import Catalog
from baselake.catalog.erase.erasure import erase_sample
from baselake.catalog.erase.keys import open_keys
from baselake.catalog.references import add_reference
from baselake.catalog.upkeep.compact import compact
from baselake.ingest.vcf.imports import ingest_vcf
from tests.ingest.vcf.vcf_files import write_vcf


def test_records_of_a_file_go_with_its_only_sample(catalog: Catalog, tmp_path: Path) -> None:
    fasta = tmp_path / "r.fa"
    fasta.write_text(">1\nACGTACGTACGT\n")
    add_reference(catalog, fasta, "tiny")
    alone = ["1 2 rsMARTHA C T . . DB GT 0/1", "1 4 . T A . . DB GT 1/1"]
    both = ["1 4 . T A . . . GT 0/1 0/1", "1 6 . C G . . . GT 1/1 0/0"]
    ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", alone, ("MARTHA",))])
    ingest_vcf(catalog, [write_vcf(tmp_path / "b.vcf", both, ("ERNA", "KURT"))])
    ingest_vcf(catalog, [write_vcf(tmp_path / "c.vcf", ["1 4 . T A . . DB GT 1/1"], ("KONRAD",))])
    # In one file, of which a part is to go.
    assert [done.outcome for done in compact(catalog, ["vcf_records"], min_files=2)] == ["done"]
    erase_sample(catalog, "MARTHA", open_keys(tmp_path / "keys", tmp_path / "lake"), "the test")
    assert catalog.query("SELECT start, info_keys FROM vcf_records ORDER BY ALL").to_pylist() == [
        {"start": 3, "info_keys": []},
        {"start": 3, "info_keys": ["DB"]},
        {"start": 5, "info_keys": []},
    ]
    assert catalog.query("SELECT variant_id FROM variants ORDER BY 1")["variant_id"].to_pylist() == [
        "1-4-T-A",
        "1-6-C-G",
    ]
    assert set(catalog.query("SELECT sample_id FROM genotypes")["sample_id"].to_pylist()) == {
        "ERNA",
        "KURT",
        "KONRAD",
    }

    # Of records of several samples the others' stay.
    erase_sample(catalog, "KURT", open_keys(tmp_path / "keys", tmp_path / "lake"), "the test")
    assert catalog.query("SELECT count(*) AS n FROM vcf_records")["n"].to_pylist() == [3]
    assert catalog.query(
        "SELECT sample_id, gt FROM genotypes WHERE sample_id <> 'KONRAD' ORDER BY start"
    ).to_pylist() == [
        {"sample_id": "ERNA", "gt": "0/1"},
        {"sample_id": "ERNA", "gt": "1/1"},
    ]
