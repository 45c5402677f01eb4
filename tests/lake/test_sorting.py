"""SpillSorter: rows in any order come out by position, whatever the memory it may use."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselake.errors import InputError
from baselake.lake.sorting import SpillSorter
from baselake.lake.spills import SpillCipher

CONTIGS = ("chr2", "chr10", "chr1")
SCHEMA = pa.schema(
    [("contig", pa.string()), ("start", pa.int32()), ("name", pa.string()), ("duplicate", pa.bool_())]
)

Row = tuple[str | None, int | None, str, bool]

positions = st.one_of(st.integers(0, 3), st.integers(0, 2**31 - 1))
placed = st.tuples(
    st.sampled_from(CONTIGS), st.one_of(st.none(), positions), st.text("ACGT", max_size=40), st.booleans()
)
unplaced = st.tuples(st.none(), st.none(), st.text("ACGT", max_size=40), st.booleans())
# Few: with little memory each is a file, and each file is searched for each table.
batches_of_rows = st.lists(st.lists(st.one_of(placed, unplaced), max_size=8), max_size=4)


def batch(rows: list[Row]) -> pa.RecordBatch:
    return pa.record_batch([pa.array(column) for column in zip(*rows, strict=True)], schema=SCHEMA)


def rows_of(table: pa.Table) -> list[Row]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def position(row: Row) -> tuple[int, int]:
    contig, start = row[:2]
    if contig is None:
        return len(CONTIGS), 0
    return CONTIGS.index(contig), -1 if start is None else start


def sort(
    folder: Path, batches: list[list[Row]], memory_bytes: int, cipher: SpillCipher | None = None
) -> list[tuple[str | None, pa.Table]]:
    folder.mkdir()
    sorter = SpillSorter(folder, SCHEMA, CONTIGS, memory_bytes, cipher)
    for rows in batches:
        if rows:
            sorter.add(batch(rows))
    return list(sorter.sorted_tables())


@given(
    batches=batches_of_rows,
    memory_bytes=st.sampled_from([1, 200, 1000, 5000, 1 << 30]),
    hidden=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_sorts_as_a_stable_sort_in_memory_does(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Row]], memory_bytes: int, hidden: bool
) -> None:
    cipher = SpillCipher() if hidden else None
    tables = sort(tmp_path_factory.mktemp("sort") / "scratch", batches, memory_bytes, cipher)
    rows = [row for _, table in tables for row in rows_of(table)]
    assert rows == sorted((row for rows in batches for row in rows), key=position)


@given(batches=batches_of_rows, memory_bytes=st.sampled_from([1, 200, 1000, 5000, 1 << 30]))
@settings(deadline=None, max_examples=40)
def test_every_table_is_one_stretch_of_one_contig_within_the_budget(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Row]], memory_bytes: int
) -> None:
    tables = sort(tmp_path_factory.mktemp("sort") / "scratch", batches, memory_bytes)
    for contig, table in tables:
        assert table.schema == SCHEMA
        assert table.num_rows > 0
        assert set(table["contig"].to_pylist()) == {contig}
        assert table.num_rows == 1 or table.nbytes <= memory_bytes


def test_a_deep_position_is_cut_between_its_rows(tmp_path: Path) -> None:
    rows: list[Row] = [("chr1", 7, f"{i:04d}" * 10, False) for i in range(2000)]
    tables = sort(tmp_path / "scratch", [rows[:1500], rows[1500:]], 100_000)
    assert len(tables) > 3
    assert [row for _, table in tables for row in rows_of(table)] == rows


def test_tables_are_of_even_size(tmp_path: Path) -> None:
    rows: list[Row] = [("chr1", i * 31 % 9973, "ACGT", False) for i in range(9000)]
    sizes = [table.nbytes for _, table in sort(tmp_path / "scratch", [rows], 100_000)]
    assert max(sizes) < 1.2 * min(sizes)


def test_what_is_hidden_is_cut_into_the_same_tables_and_is_noise_on_disk(tmp_path: Path) -> None:
    """Runs of more numbers than are read at once, with many rows of one place."""
    rows: list[Row] = [("chr1", i * 31 % 997 // 3, f"SECRET{i:05d}", False) for i in range(9000)]
    plain = sort(tmp_path / "plain", [rows[:5000], rows[5000:]], 400_000)
    hidden = sort(tmp_path / "hidden", [rows[:5000], rows[5000:]], 400_000, SpillCipher())
    assert hidden == plain
    assert len(plain) == 3
    keys = 2 * ((2 << 32) + 8).to_bytes(8, "little")
    for folder, there in (("plain", True), ("hidden", False)):
        runs = [path.read_bytes() for path in (tmp_path / folder).iterdir()]
        assert len(runs) > 6
        assert any(b"SECRET" in run for run in runs) is there
        assert any(run.startswith((b"ARROW1", b"\x93NUMPY")) for run in runs) is there
        # Keys of one place, as they would lie there one after the other.
        assert any(keys in run for run in runs) is there


def test_an_unknown_contig_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="chrUn"):
        sort(tmp_path / "scratch", [[("chrUn", 1, "", False)]], 1000)


def test_nothing_gives_nothing(tmp_path: Path) -> None:
    assert sort(tmp_path / "scratch", [], 1000) == []
