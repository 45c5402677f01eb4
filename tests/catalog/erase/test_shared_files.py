"""A sample whose calls stand in files with others' goes out of them, and out of every count."""

from pathlib import Path

from baselake.api import Lake
from baselake.catalog.catalog import Catalog
from baselake.catalog.erase.erasure import erase_sample
from baselake.catalog.erase.keys import open_keys
from baselake.catalog.references import add_reference
from baselake.catalog.upkeep.doctor import examine
from baselake.ingest.vcf.imports import ingest_vcf
from tests.ingest.vcf.vcf_files import write_vcf


def test_nothing_of_a_sample_is_left_in_shared_files_or_counts(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 200}\n")
    add_reference(catalog, tmp_path / "r.fa", "flat")
    names = ("MARTHA", "KONRAD", "ERNA")
    records = [
        "1 10 . A C . . . GT:PL:XY 0/1:9,0,9:a 0/0:0,9,9:b 1/1:9,9,0:c",
        "1 20 . A G . . . GT:PL:XY 1/1:9,9,0:a 0/0:0,9,9:b 0/0:0,9,9:c",  # MARTHA's alone
        "1 30 . A <NON_REF> . . END=60 GT 0/0 0/0 0/0",
    ]
    header = '##fileformat=VCFv4.3\n##FORMAT=<ID=XY,Number=1,Type=String,Description="x">\n'
    header += '##FORMAT=<ID=GT,Number=1,Type=String,Description="GT">\n'
    header += '##FORMAT=<ID=PL,Number=G,Type=Integer,Description="PL">\n'
    header += '##INFO=<ID=END,Number=1,Type=Integer,Description="End">\n'
    ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", records, names, header)])
    for table in ("genotypes", "reference_blocks"):
        files = catalog.query(f"SELECT filename, count(DISTINCT sample_id) AS n FROM {table} GROUP BY 1")
        assert files["n"].to_pylist() == [3]
    assert Lake(catalog).genotype("all").alleles == 2
    before = catalog.query("SELECT max(snapshot_id) AS n FROM lake.snapshots()")["n"][0].as_py()
    erased = erase_sample(catalog, "MARTHA", open_keys(tmp_path / "keys", tmp_path / "lake"), "the test")
    assert erased.findings == ()
    assert examine(catalog).findings == []
    rows = catalog.query("SELECT sample_id, variant_id, gt FROM genotypes ORDER BY ALL").to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("ERNA", "1-10-A-C", "1/1"),
        ("ERNA", "1-20-A-G", "0/0"),
        ("KONRAD", "1-10-A-C", "0/0"),
        ("KONRAD", "1-20-A-G", "0/0"),
    ]
    # Others' rows of it stay, and with them the allele; nothing says that anybody had it.
    counts = catalog.query("SELECT variant_id, ac, an FROM counted_alleles('all') ORDER BY 1").to_pylist()
    assert [tuple(row.values()) for row in counts] == [("1-10-A-C", 2, 4), ("1-20-A-G", 0, 4)]
    assert catalog.query("FROM joint_sums").num_rows == catalog.query("FROM joint_members").num_rows == 0
    for table in ("allele_counts", "seen_counts", "counted_cohorts", "joint_sums", "joint_members"):
        assert catalog.query(f"FROM {table} AT (VERSION => {before})").num_rows == 0
