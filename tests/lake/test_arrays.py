"""Columns that begin or end as NumPy arrays."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselake.lake.arrays import (
    fixed_strings,
    fixed_width,
    integers,
    one_string,
    rows_at,
    string_array,
    valid_rows,
)


@st.composite
def tables_of_letters(draw: st.DrawFn) -> tuple[list[str], int]:
    length = draw(st.integers(0, 12))
    text = st.text("ACGTN", min_size=length, max_size=length)
    return draw(st.lists(text, max_size=20)), length


@given(tables_of_letters(), st.integers(1, 5))
@settings(max_examples=60)
def test_strings_of_one_length_come_back(given: tuple[list[str], int], chunk: int) -> None:
    strings, length = given
    letters = np.frombuffer("".join(strings).encode(), np.uint8).reshape(len(strings), length)
    column = fixed_strings(letters)
    column.validate(full=True)
    assert column.to_pylist() == strings
    parts = [column.slice(start, chunk) for start in range(0, len(strings), chunk)]
    assert (fixed_width(pa.chunked_array(parts, pa.string()), length) == letters).all()


def test_columns_need_not_be_contiguous() -> None:
    letters = np.frombuffer(b"ACGTTGCA", np.uint8).reshape(2, 4)
    assert fixed_strings(letters[:, 1:3]).to_pylist() == ["CG", "GC"]


def test_strings_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="not all of 3 characters"):
        fixed_width(pa.chunked_array([["ACG", "AC"]]), 3)


@given(st.lists(st.text("ACGTN", max_size=9), max_size=20))
@settings(max_examples=60)
def test_strings_of_any_length_lie_end_to_end(strings: list[str]) -> None:
    offsets = np.cumsum([0, *map(len, strings)], dtype=np.int32)
    column = string_array(offsets, np.frombuffer("".join(strings).encode(), np.uint8))
    column.validate(full=True)
    assert column.to_pylist() == strings


@given(st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=40), st.integers(0, 5))
def test_integers_and_which_of_them_are_there(values: list[int | None], skipped: int) -> None:
    column = pa.array(values, pa.int32())[skipped:]
    assert integers(column, null=-7).tolist() == [
        -7 if value is None else value for value in values[skipped:]
    ]
    assert valid_rows(column).tolist() == [value is not None for value in values[skipped:]]


@given(st.lists(st.integers(0, 299), min_size=1, max_size=200), st.booleans())
def test_rows_are_those_of_the_places_asked_for(places: list[int], ascending: bool) -> None:
    column = pa.array([f"row {number}" if number % 7 else None for number in range(300)])
    wanted = np.array(sorted(places) if ascending else places, np.int64)
    assert rows_at(column, wanted).equals(column.take(pa.array(wanted)))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["a/b", "a/b"], "a/b"),
        (["a/b"], "a/b"),
        (["", ""], ""),
        (["a", "b"], None),
        (["a", "aa"], None),
        (["a", None], None),
        ([], None),
    ],
)
def test_one_string_is_told_from_several(values: list[str | None], found: str | None) -> None:
    assert one_string(pa.array(["before", *values], pa.string())[1:]) == found
