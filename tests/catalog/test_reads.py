"""What a sheet makes of a read, in SQL against Python; and reads of a group, streamed as the view shows them."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselake.api import Lake
from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.reads import stream_reads
from baselake.catalog.references import add_reference
from baselake.config import Config
from tests.ingest.illumina.made_runs import random_tile, read_of
from tests.ingest.illumina.run_folders import DUAL, Sample, sheet_of, tile_of, write_folder

BARCODES = ("ACGTACGTTTGCAATC", "TTGCAATCACGTACCA")


@pytest.fixture(scope="module")
def opened(empty_lake: Path, config: Config) -> Iterator[Catalog]:
    with connect(empty_lake, config, read_only=True) as catalog:
        yield catalog


def cut_read(
    calls: str | None,
    first: int,
    kept: int | None,
    adapter: int | None,
    behavior: str | None,
    minimum: int,
    mask_short: int,
) -> str | None:
    """The rule in words: kept cycles, then the adapter away, a short rest masked whole."""
    if calls is None or kept is None:
        return calls
    read = calls[first : first + kept]
    if adapter is None or behavior is None:
        return read
    before = read[:adapter] if adapter >= mask_short else ""
    length = kept if behavior == "mask" else max(adapter, min(minimum, kept))
    return before + "N" * (length - len(before))


@st.composite
def cuts(draw: st.DrawFn) -> tuple[object, ...]:
    length = draw(st.integers(1, 30))
    calls = draw(st.none() | st.text("ACGT", min_size=length, max_size=length))
    first = draw(st.integers(0, length - 1))
    kept = draw(st.none() | st.integers(1, length - first))
    adapter = draw(st.none() | st.integers(0, (kept or length) - 1))
    behavior = draw(st.none() | st.sampled_from(["trim", "mask"]))
    return calls, first, kept, adapter, behavior, draw(st.integers(0, 40)), draw(st.integers(0, 40))


@given(st.lists(cuts(), min_size=1, max_size=40))
@settings(max_examples=25, deadline=None)
def test_the_macro_cuts_reads_as_the_rule_says(opened: Catalog, cases: list[tuple[object, ...]]) -> None:
    names = ("calls", "first", "kept", "adapter", "behavior", "minimum", "mask_short")
    values = dict(zip(names, map(list, zip(*cases, strict=True)), strict=True))
    typed = ", ".join(
        f"unnest(${name}::{'VARCHAR' if name in ('calls', 'behavior') else 'SMALLINT'}[]) AS {name}"
        for name in names
    )
    sql = f"SELECT cut_read({', '.join(names)}, 'N') AS cut FROM (SELECT {typed})"
    assert opened.query(sql, values)["cut"].to_pylist() == [cut_read(*case) for case in cases]  # type: ignore[arg-type]


@pytest.fixture
def run(catalog: Catalog, tmp_path: Path) -> Lake:
    """A run of two samples, with identifiers and adapters."""
    tiles = [tile_of(1, tile, 150, DUAL, BARCODES) for tile in (1101, 1102)]
    samples = [
        Sample(name=name, index1=barcode[:8], index2=barcode[8:])
        for name, barcode in zip(("A", "B"), BARCODES, strict=True)
    ]
    sheet = sheet_of(
        samples,
        OverrideCycles="U3Y18;I8;I8;N2Y15",
        AdapterRead1="ACG",
        AdapterRead2="TTG",
        MinimumTrimmedReadLength=5,
        MaskShortReads=2,
    )
    lake = Lake(catalog)
    lake.ingest([write_folder(tmp_path / "run", tiles, sheet=sheet)])
    return lake


COLUMNS = ("name", "segment", "seq", "qual", "umi", "tags", "filtered", "index1_seq", "index2_seq")


@pytest.mark.parametrize("batch_rows", [7, 65_536])
def test_streamed_reads_are_those_of_the_view_and_mates_stand_together(run: Lake, batch_rows: int) -> None:
    for group in ("A.HBASELAKE.1", "B.HBASELAKE.1"):
        batches = list(stream_reads(run.catalog, group, COLUMNS, batch_rows))
        assert max(batch.num_rows for batch in batches) <= batch_rows
        streamed = pa.Table.from_batches(batches).to_pylist()
        shown = run.sql(f"SELECT {', '.join(COLUMNS)} FROM reads WHERE read_group_id = '{group}'").to_pylist()
        assert sorted(streamed, key=repr) == sorted(shown, key=repr)
        assert len(streamed) > 50
        assert [read["segment"] for read in streamed] == [1, 2] * (len(streamed) // 2)
        assert all(one["name"] == two["name"] for one, two in zip(streamed[::2], streamed[1::2], strict=True))


def test_any_columns_can_be_asked_for_in_any_order(run: Lake) -> None:
    whole = pa.Table.from_batches(
        stream_reads(run.catalog, "A.HBASELAKE.1", ("name", "comment", "fastq_name"))
    )
    assert whole.column_names == ["name", "comment", "fastq_name"]
    some = pa.Table.from_batches(stream_reads(run.catalog, "A.HBASELAKE.1", ("fastq_name",)))
    assert some["fastq_name"] == whole["fastq_name"]
    for name, headed in zip(whole["name"].to_pylist(), whole["fastq_name"].to_pylist(), strict=True):
        assert headed.startswith(f"{name}:")
        assert len(headed) == len(name) + 4


def test_a_group_without_reads_gives_none(run: Lake) -> None:
    assert list(stream_reads(run.catalog, "C.HBASELAKE.1", ("name",))) == []


def test_reads_of_a_run_are_aligned(run: Lake, tmp_path: Path) -> None:
    fasta = tmp_path / "ref.fa"
    fasta.write_text(f">chr1\n{'ACGTTGCATTAGGCCATAGGAC' * 40}\n")
    add_reference(run.catalog, fasta, "ref")
    run.align(["A"])
    aligned = run.sql("SELECT count(*) AS n FROM alignments WHERE sample_id = 'A' AND flag & 2304 = 0")
    shown = run.sql("SELECT count(*) AS n FROM reads WHERE sample_id = 'A'")
    assert aligned["n"] == shown["n"]
    assert run.sql("SELECT DISTINCT read_group_id FROM alignments").num_rows == 1


def test_a_run_of_one_read_has_one_segment(catalog: Catalog, tmp_path: Path) -> None:
    lake = Lake(catalog)
    lake.ingest([write_folder(tmp_path / "run", [random_tile(1, 1101, 30, 12)], (read_of(1, 12),))])
    assert lake.sql("SELECT DISTINCT segment, index1_seq FROM reads").to_pylist() == [
        {"segment": 1, "index1_seq": None}
    ]
