"""How the samples of one file are laid out: blocks of neighbours by name, whatever the order of the file's columns."""

import random
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.export.vcf import export_source
from baselake.catalog.references import add_reference
from baselake.ingest.vcf.imports import ingest_vcf
from baselake.lake.schema import TILE_SAMPLES
from tests.ingest.vcf.vcf_files import HEADER, write_vcf

SITES = range(5, 250, 7)
# Names of hospitals: digits, letters and what is beyond ASCII, which sorts after it.
NAMES = [
    f"{kind}{number}" for number in range(2 * TILE_SAMPLES // 3) for kind in ("", "PAT-", "é", "\U0001f9ec")
]


@pytest.fixture
def shuffled(catalog: Catalog, tmp_path: Path) -> list[str]:
    """The columns of an imported file `a.vcf` of 340 samples, whose genotypes tell the sample."""
    names = list(NAMES)
    random.Random(5).shuffle(names)
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 300}\n")
    add_reference(catalog, tmp_path / "r.fa", "flat")
    numbers = [NAMES.index(name) for name in names]
    calls = " ".join(f"0/{number % 3}:{number}" for number in numbers)
    records = [f"1 {site} . A C,G . PASS . GT:GQ {calls}" for site in SITES]
    # Where nothing but the reference is seen there is a block for each sample.
    records.append(f"1 270 . A . . . . GT:DP {' '.join(f'0/0:{number}' for number in numbers)}")
    header = HEADER + "##contig=<ID=1,length=300>\n"
    ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", records, names, header)])
    return names


@pytest.mark.usefixtures("shuffled")
def test_a_person_is_in_one_block_of_neighbours_by_name(catalog: Catalog) -> None:
    spans = set()
    for tile in _row_groups(catalog, "genotypes"):
        rows = list(zip(tile["start"], (name.encode() for name in tile["sample_id"]), strict=True))
        assert rows == sorted(rows)
        ids = [name for _, name in rows]
        spans.add((min(ids), max(ids)))
    assert len(spans) == -(-len(NAMES) // TILE_SAMPLES)
    assert all(last < first for (_, last), (first, _) in pairwise(sorted(spans)))


@pytest.mark.usefixtures("shuffled")
def test_every_sample_has_its_own_genotypes_and_blocks(catalog: Catalog) -> None:
    found = catalog.query(
        "SELECT sample_id, start, gt, gq FROM genotypes WHERE variant_id LIKE '%-C'"
    ).to_pylist()
    assert len(found) == len(NAMES) * len(SITES)
    for row in found:
        number = NAMES.index(row["sample_id"])
        assert (row["gt"], row["gq"]) == (("0/0", "0/1", "0/2")[number % 3], number)
    blocks = catalog.query("SELECT sample_id, dp FROM reference_blocks").to_pylist()
    assert {row["sample_id"]: row["dp"] for row in blocks} == {name: i for i, name in enumerate(NAMES)}


def test_a_file_comes_out_with_its_columns_in_their_order(
    catalog: Catalog, tmp_path: Path, shuffled: list[str]
) -> None:
    export_source(catalog, "a.vcf", tmp_path / "out.vcf")
    wanted, found = (
        [line for line in (tmp_path / name).read_text().splitlines() if not line.startswith("##")]
        for name in ("a.vcf", "out.vcf")
    )
    assert found[0].split("\t")[9:] == shuffled
    assert found == wanted


def _row_groups(catalog: Catalog, table: str) -> list[dict[str, list]]:
    files = catalog.query(f"SELECT DISTINCT filename FROM {table}")["filename"].to_pylist()
    return [
        file.read_row_group(number).to_pydict()
        for file in map(pq.ParquetFile, files)
        for number in range(file.num_row_groups)
    ]
