"""Qualities in bins: what stands for what, and that it happens on import alone and is set down."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.references import add_reference
from baselake.config import load_config
from baselake.errors import InputError
from baselake.ingest.fastq import ingest_fastq
from baselake.ingest.vcf.imports import ingest_vcf
from baselake.lake.qualities import BINS, bin_qualities
from tests.ingest.vcf.vcf_files import write_vcf

EVERY = "".join(chr(33 + quality) for quality in range(94))


def scores(text: str) -> list[int]:
    return [ord(character) - 33 for character in text]


@pytest.mark.parametrize("bins", sorted(BINS))
def test_each_quality_becomes_that_of_its_bin(bins: int) -> None:
    (text,) = bin_qualities(pa.chunked_array([[EVERY]]), bins).to_pylist()
    low = 0
    for high, value in BINS[bins]:
        assert set(scores(text)[low:high]) == {value}
        low = high
    assert low == 94
    assert len(set(text)) == bins
    again = bin_qualities(pa.chunked_array([[text]]), bins).to_pylist()
    assert again == [text]


def test_parts_of_columns_null_and_nothing_keep_their_places() -> None:
    column = pa.chunked_array([pa.array(["~~", "I", None, "", "#I"]).slice(1, 3), pa.array([], pa.string())])
    assert bin_qualities(column, 4).to_pylist() == ["F", None, ""]


def test_an_import_that_is_asked_to_bins_and_says_so(catalog: Catalog, tmp_path: Path) -> None:
    config = replace(catalog.config, quality_bins=4)
    for name, settings in (("plain", catalog.config), ("binned", config)):
        fastq = tmp_path / f"{name}.fastq"
        fastq.write_text(f"@{name}\n{'A' * 94}\n+\n{EVERY}\n")
        with connect(catalog.layout.root, settings) as opened:
            ingest_fastq(opened, [fastq], sample=name)
    found = {
        row["name"]: row["qual"] for row in catalog.query("SELECT name, qual FROM read_records").to_pylist()
    }
    assert found["plain"] == EVERY
    assert found["binned"] == bin_qualities(pa.chunked_array([[EVERY]]), 4)[0].as_py()
    said = catalog.query("SELECT parameters['quality_bins'] AS bins FROM lineage ORDER BY bins NULLS FIRST")
    assert said["bins"].to_pylist() == [None, "4"]


def test_qual_of_a_vcf_is_no_base_quality(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 30}\n")
    add_reference(catalog, tmp_path / "r.fa", "flat")
    with connect(catalog.layout.root, replace(catalog.config, quality_bins=8)) as opened:
        for number, samples in enumerate((["S"], ["T", "U"])):
            record = f"1 5 . A C 33.25 . . GT {' '.join(['0/1'] * len(samples))}"
            ingest_vcf(opened, [write_vcf(tmp_path / f"{number}.vcf", [record], samples)])
    assert catalog.query("SELECT qual FROM genotypes")["qual"].to_pylist() == [33.25] * 3


def test_another_number_of_bins_is_refused(tmp_path: Path) -> None:
    assert load_config(tmp_path, {"BASELAKE_QUALITY_BINS": "8"}).quality_bins == 8
    assert load_config(tmp_path, {"BASELAKE_QUALITY_BINS": "0"}).quality_bins == 0
    with pytest.raises(InputError, match="'5' is no number of bins"):
        load_config(tmp_path, {"BASELAKE_QUALITY_BINS": "5"})
