"""How the samples of one file are laid out: blocks of neighbours by name, whatever the order of the file's columns."""

import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.export.vcf import export_source
from baselake.catalog.references import add_reference
from baselake.config import Config
from baselake.ingest.vcf import imports, tiles
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


def test_a_person_is_in_one_of_the_files_that_are_written_side_by_side(
    tmp_path: Path, config: Config
) -> None:
    create(tmp_path / "lake", config)
    with connect(tmp_path / "lake", replace(config, threads=2)) as catalog:
        (tmp_path / "r.fa").write_text(f">1\n{'A' * 30}\n")
        add_reference(catalog, tmp_path / "r.fa", "flat")
        record = f"1 5 . A C . . . GT {' '.join(['0/1'] * len(NAMES))}"
        ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", [record], NAMES)])
        spans = catalog.query(
            "SELECT min(sample_id) AS a, max(sample_id) AS z FROM genotypes GROUP BY filename"
        )
    (_, last), (first, _) = sorted((row["a"], row["z"]) for row in spans.to_pylist())
    assert last < first


def test_a_tile_tells_nothing_of_other_tiles_genotypes(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 30}\n")
    add_reference(catalog, tmp_path / "r.fa", "flat")
    names = [f"S{number:03}" for number in range(2 * TILE_SAMPLES)]
    calls = ["0/1"] * len(names)
    calls[3], calls[-3] = "1|1|0", "1/1/1/1"  # of one person each
    ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", [f"1 5 . A C . . . GT {' '.join(calls)}"], names)])
    files = catalog.query("SELECT DISTINCT filename FROM genotypes")["filename"].to_pylist()
    found = [
        set(file.read_row_group(number)["gt"].combine_chunks().dictionary.to_pylist())
        for file in (pq.ParquetFile(name, read_dictionary=["gt"]) for name in files)
        for number in range(file.num_row_groups)
    ]
    assert sorted(map(sorted, found)) == [["0/1", "1/1/1/1"], ["0/1", "1|1|0"]]


@pytest.mark.parametrize("first", ["GT", "DP"])
def test_columns_come_and_go_from_tile_to_tile(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """What a tile has nothing of may be what the one before was full of."""
    monkeypatch.setattr(imports, "_PART_SHARE", 1 << 16)
    second = {"GT": "DP", "DP": "GT"}[first]
    values = {"GT": "0/1 1|1", "DP": "7 ."}
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 3000}\n")
    add_reference(catalog, tmp_path / "r.fa", "flat")
    records = [
        f"1 {site} . A {'C' if site % 1000 else '.'} . . . {key} {values[key]}"
        for sites, key in ((range(1, 1500), first), (range(1500, 2900), second))
        for site in sites
    ]
    ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", records, ("B", "A"))])
    tiles = _row_groups(catalog, "genotypes")
    assert len(tiles) > 4
    found = catalog.query(
        "SELECT gt, dp, count(*) AS n FROM genotypes WHERE variant_id IS NOT NULL GROUP BY ALL ORDER BY ALL"
    ).to_pylist()
    # Each half has one record without an alternate.
    of_gt, of_dp = (1498, 1399) if first == "GT" else (1399, 1498)
    assert [tuple(row.values()) for row in found] == [
        ("0/1", None, of_gt),
        ("1|1", None, of_gt),
        (None, 7, of_dp),
        (None, None, of_dp),
    ]
    assert len(catalog.query("FROM genotypes")) == 2 * len(records)


def test_columns_that_are_never_null_are_stored_so(catalog: Catalog, shuffled: list[str]) -> None:
    assert shuffled
    (path, *_) = catalog.query("SELECT DISTINCT filename FROM genotypes")["filename"].to_pylist()
    schema = pq.ParquetFile(path).schema_arrow
    required = {field.name for field in schema if not field.nullable}
    assert required == {"reference", "sample_id", "contig", "start", "source_id", "record"}


def test_a_file_ends_after_so_many_tiles(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of small tiles there would be thousands in it, each of which costs whoever looks for one allele."""
    monkeypatch.setattr(tiles, "_FILE_TILES", 2)
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 30}\n")
    add_reference(catalog, tmp_path / "r.fa", "flat")
    names = [f"S{number:03}" for number in range(5 * TILE_SAMPLES)]
    record = f"1 5 . A C . . . GT {' '.join(['0/1'] * len(names))}"
    ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", [record], names)])
    found = catalog.query("SELECT count(*) AS n FROM genotypes GROUP BY filename")["n"].to_pylist()
    assert (max(found), sum(found)) == (2 * TILE_SAMPLES, len(names))
