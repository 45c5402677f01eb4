"""What is written from codes is what any reader of Parquet finds, with the statistics that Arrow's writer tells."""

import math
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselake.errors import StorageError
from baselake.lake.coded import CodedWriter, RowGroup, Rows, code_column, equal_runs
from baselake.lake.parquet import DataFile
from baselake.lake.spec import TableSpec

INTEGERS = st.integers(-(2**31), 2**31 - 1) | st.integers(-3, 3)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.sampled_from(["0/0", "0/1"])
FLOATS = st.floats(width=32) | st.sampled_from([0.0, -0.0, math.nan])
VALUES = {
    pa.string(): TEXTS,
    pa.int8(): st.integers(-128, 127),
    pa.int32(): INTEGERS,
    pa.float32(): FLOATS,
}


def values_of(kind: pa.DataType) -> st.SearchStrategy:
    if pa.types.is_list(kind):
        return st.lists(st.none() | values_of(kind.value_type), max_size=4)
    if pa.types.is_map(kind):
        return st.lists(st.tuples(TEXTS, st.none() | values_of(kind.item_type)), max_size=3)
    return VALUES[kind]


KINDS = [
    *VALUES,
    *(pa.list_(kind) for kind in VALUES),
    *(pa.map_(pa.string(), pa.list_(kind)) for kind in (pa.int32(), pa.float32(), pa.string())),
]


@st.composite
def columns(draw: st.DrawFn) -> pa.Array:
    """An array of any type, of which some is cut away, as slices come."""
    kind = draw(st.sampled_from(KINDS))
    items = draw(st.lists(st.none() | values_of(kind), min_size=1, max_size=40))
    first = draw(st.integers(0, len(items) - 1))
    return pa.array(items, kind).slice(first)


def spec_of(schema: pa.Schema, **options: object) -> TableSpec:
    return TableSpec(name="t", schema=schema, **options)  # type: ignore[arg-type]


def written(path: Path, spec: TableSpec, *groups: RowGroup) -> DataFile:
    writer = CodedWriter(spec, path)
    for group in groups:
        writer.write(group)
    done = writer.close()
    assert done is not None
    return done


def bits(array: pa.Array) -> list:
    """Values that can be compared: a NaN is itself, and zeros are told apart."""
    return [repr(value) for value in array.to_pylist()]


@settings(max_examples=200)
@given(st.data(), columns())
def test_rows_are_read_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, column: pa.Array
) -> None:
    path = tmp_path_factory.mktemp("coded") / "a.parquet"  # DuckDB may keep what it read by that name
    how = data.draw(st.sampled_from(["each", "index", "runs"]))
    index = counts = None
    wanted = column
    if how != "each":
        index = np.array(
            data.draw(st.lists(st.integers(0, len(column) - 1), min_size=1, max_size=60)), np.int32
        )
        wanted = column.take(pa.array(index))
    if how == "runs":
        counts = np.array(
            data.draw(st.lists(st.integers(1, 40), min_size=len(index), max_size=len(index))), np.int32
        )
        wanted = column.take(pa.array(np.repeat(index, counts)))
    rows = Rows(column=code_column(column), index=index, counts=counts)
    group = RowGroup(rows=len(wanted), columns={"c": rows})
    done = written(path, spec_of(pa.schema([("c", column.type)])), group, group)
    assert done.rows == 2 * len(wanted)
    assert done.bytes == path.stat().st_size
    found = pq.ParquetFile(path)
    assert found.schema_arrow.field("c").type == column.type
    for number in range(2):
        assert bits(found.read_row_group(number)["c"].combine_chunks()) == bits(wanted)
    asked = duckdb.sql(f"SELECT c FROM '{path}' LIMIT {len(wanted)}").to_arrow_table()["c"].combine_chunks()
    if not pa.types.is_map(column.type):  # DuckDB has each key of a map once
        assert bits(asked.cast(column.type)) == bits(wanted)
    _assert_same_statistics(path, wanted)


def _assert_same_statistics(path: Path, wanted: pa.Array) -> None:
    """Those of the first row group, against Arrow's own of the same rows."""
    other = path.with_name("arrow.parquet")
    pq.write_table(pa.table({"c": wanted}), other)
    ours, theirs = (pq.ParquetFile(each).metadata.row_group(0) for each in (path, other))
    assert ours.num_columns == theirs.num_columns
    for number in range(ours.num_columns):
        our, their = ours.column(number), theirs.column(number)
        assert (our.path_in_schema, our.num_values, our.physical_type) == (
            their.path_in_schema,
            their.num_values,
            their.physical_type,
        )
        if their.statistics is None:
            continue
        assert our.statistics.null_count == their.statistics.null_count
        assert our.statistics.has_min_max == their.statistics.has_min_max
        if their.statistics.has_min_max:
            assert (our.statistics.min, our.statistics.max) == (their.statistics.min, their.statistics.max)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=200), st.integers(1, 7))
def test_runs_of_an_index(values: list[int], times: int) -> None:
    numbers = np.repeat(np.array(values, np.int32), times)
    each, counts = equal_runs(numbers)
    assert np.array_equal(np.repeat(each, counts), numbers)
    assert (np.diff(each) != 0).all()


@pytest.mark.parametrize("entries", [1, 2, 3, 255, 256, 257, 70_000])
def test_codes_of_any_width(tmp_path: Path, entries: int) -> None:
    numbers = np.random.default_rng(entries).integers(0, entries, 100_003).astype(np.int32)
    column = code_column(pa.array(np.arange(entries, dtype=np.int32) * 11))
    group = RowGroup(rows=len(numbers), columns={"n": Rows(column=column, index=numbers)})
    written(tmp_path / "a.parquet", spec_of(pa.schema([("n", pa.int32())])), group)
    for found in (
        pq.read_table(tmp_path / "a.parquet")["n"].to_numpy(),
        duckdb.sql(f"SELECT n FROM '{tmp_path / 'a.parquet'}'").fetchnumpy()["n"],
    ):
        assert np.array_equal(found, numbers * 11)


def test_a_row_group_has_nothing_in_its_dictionary_that_its_rows_have_not(tmp_path: Path) -> None:
    people = code_column(pa.array(["ANN", "BEN", "CAT", "DAN"]))
    groups = [
        RowGroup(rows=2, columns={"who": Rows(column=people, index=np.array(own, np.int32))})
        for own in ([3, 1], [0, 2])
    ]
    written(tmp_path / "a.parquet", spec_of(pa.schema([("who", pa.string())])), *groups)
    file = pq.ParquetFile(tmp_path / "a.parquet", read_dictionary=["who"])
    found = [file.read_row_group(number)["who"].combine_chunks() for number in range(2)]
    assert [sorted(each.dictionary.to_pylist()) for each in found] == [["BEN", "DAN"], ["ANN", "CAT"]]
    assert [each.to_pylist() for each in found] == [["DAN", "BEN"], ["ANN", "CAT"]]


def test_a_column_that_is_not_given_is_null(tmp_path: Path) -> None:
    schema = pa.schema([("n", pa.int32()), *((f"c{number}", kind) for number, kind in enumerate(KINDS))])
    group = RowGroup(rows=3, columns={"n": Rows(column=code_column(pa.array([7, 8, 9], pa.int32())))})
    spec = spec_of(schema, required=frozenset({"n"}), sort_by=("n",))
    written(tmp_path / "a.parquet", spec, *[group] * 20)
    file = pq.ParquetFile(tmp_path / "a.parquet")
    assert file.metadata.row_group(19).sorting_columns[0].column_index == 0
    assert not file.schema.column(0).max_definition_level
    rows = file.read()
    assert rows["n"].to_pylist() == [7, 8, 9] * 20
    assert all(rows[name].null_count == 60 for name in rows.column_names[1:])
    counts = "count(*), count(n), count(c4), count(c8)"
    found = duckdb.sql(f"SELECT {counts} FROM '{tmp_path / 'a.parquet'}'").fetchall()
    assert found == [(60, 60, 0, 0)]


def test_bounds_of_long_texts_are_left_out(tmp_path: Path) -> None:
    column = code_column(pa.array(["A" * 5000, "C"]))
    group = RowGroup(rows=2, columns={"c": Rows(column=column)})
    written(tmp_path / "a.parquet", spec_of(pa.schema([("c", pa.string())])), group)
    statistics = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0).column(0).statistics
    assert (statistics.null_count, statistics.has_min_max) == (0, False)


@pytest.mark.parametrize(
    ("array", "index", "rows", "said"),
    [
        (pa.array([1, None], pa.int32()), None, 2, "a required column has a NULL"),
        (pa.array([1, 2], pa.int8()), None, 2, "t.c is int32, not int8"),
        (pa.array([1, 2], pa.int32()), None, 3, "t.c has 2 rows of 3"),
    ],
)
def test_rows_that_do_not_fit_are_refused(
    tmp_path: Path, array: pa.Array, index: np.ndarray | None, rows: int, said: str
) -> None:
    spec = spec_of(pa.schema([("c", pa.int32())]), required=frozenset({"c"}))
    writer = CodedWriter(spec, tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=said):
        writer.write(RowGroup(rows=rows, columns={"c": Rows(column=code_column(array), index=index)}))
    writer.abandon()


def test_an_index_beyond_the_column_is_refused(tmp_path: Path) -> None:
    writer = CodedWriter(spec_of(pa.schema([("c", pa.int32())])), tmp_path / "a.parquet")
    column = code_column(pa.array([1, 2], pa.int32()))
    for beyond in (2, -1):
        with pytest.raises(IndexError, match="not in the column"):
            writer.write(
                RowGroup(rows=1, columns={"c": Rows(column=column, index=np.array([beyond], np.int32))})
            )
    writer.abandon()


def test_no_rows_leave_no_file(tmp_path: Path) -> None:
    finished: list[DataFile] = []
    writer = CodedWriter(spec_of(pa.schema([("c", pa.int32())])), tmp_path / "a.parquet", finished.append)
    assert writer.close() is None
    assert not finished
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    class Full:
        def write(self, _: bytes) -> int:
            raise OSError(28, "No space left on device")

    writer = CodedWriter(spec_of(pa.schema([("c", pa.int32())])), tmp_path / "a.parquet")
    writer._out = Full()  # type: ignore[assignment]
    with pytest.raises(StorageError, match="No space left on device"):
        writer.write(RowGroup(rows=1, columns={"c": Rows(column=code_column(pa.array([1], pa.int32())))}))
    writer.abandon()
