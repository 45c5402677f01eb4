"""What is written in Thrift's compact protocol is read as what it was."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselake.lake import thrift

NUMBERS = st.integers(-(2**31), 2**31 - 1)
SCALARS = (
    st.booleans().map(lambda value: (value, thrift.boolean(value)))
    | st.integers(0, 255).map(lambda value: (value, thrift.byte(value)))
    | st.integers(-(2**15), 2**15 - 1).map(lambda value: (value, thrift.i16(value)))
    | NUMBERS.map(lambda value: (value, thrift.i32(value)))
    | st.integers(-(2**63), 2**63 - 1).map(lambda value: (value, thrift.i64(value)))
    | st.binary(max_size=300).map(lambda value: (value, thrift.binary(value)))
)
LISTS = st.lists(NUMBERS, min_size=1, max_size=40).map(
    lambda values: (values, thrift.array([thrift.i32(value) for value in values]))
)


def structs(values: st.SearchStrategy) -> st.SearchStrategy:
    """Fields as they are read, and written: numbers ascend by little or by much."""
    fields = st.lists(st.tuples(st.integers(1, 40), values), max_size=6)

    def together(given: list) -> tuple:
        numbers = accumulate(step for step, _ in given)
        pairs = [(number, pair) for number, (_, pair) in zip(numbers, given, strict=True)]
        return (
            {number: value for number, (value, _) in pairs},
            thrift.struct({number: written for number, (_, written) in pairs}),
        )

    return fields.map(together)


STRUCTS = structs(st.recursive(SCALARS | LISTS, structs, max_leaves=12))


@given(STRUCTS, st.binary(max_size=4))
def test_a_struct_is_read_as_it_was_written(struct: tuple, after: bytes) -> None:
    wanted, (_, data) = struct
    assert thrift.read_struct(data + after, 0) == (wanted, len(data))


@given(STRUCTS)
def test_a_struct_that_is_cut_is_refused(struct: tuple) -> None:
    _, (_, data) = struct
    with pytest.raises(ValueError, match="ends early"):
        thrift.read_struct(data[:-1], 0)


def test_a_field_that_is_none_is_not_there() -> None:
    _, data = thrift.struct({1: None, 2: thrift.i32(5), 30: None})
    assert thrift.read_struct(data, 0) == ({2: 5}, len(data))
