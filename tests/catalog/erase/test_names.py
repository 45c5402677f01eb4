"""Names are found whole, wherever they stand, and however many there are."""

from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from baselake.catalog.erase._names import NameSet
from baselake.catalog.erase.names import buffers, read_names, write_names

NAME = st.text("ABab09:._/", min_size=1, max_size=20)


def set_of(names: list[str], most: int = 1000) -> NameSet:
    made = NameSet(most)
    made.add(*buffers(pa.array(names, pa.string())))
    return made


def occurrences(names: set[str], data: str) -> int:
    """The slow way: every name at every place."""
    found = 0
    for name in names:
        at = data.find(name)
        while at >= 0:
            before, after = data[at - 1 : at] if at else "", data[at + len(name) : at + len(name) + 1]
            found += not (before.isalnum() or after.isalnum())
            at = data.find(name, at + 1)
    return found


@settings(max_examples=200, deadline=None)
@given(st.lists(NAME, max_size=8), st.lists(NAME | st.sampled_from([" ", "\0"]), max_size=30))
def test_names_are_found_as_the_slow_way_finds_them(names: list[str], pieces: list[str]) -> None:
    data = "".join(pieces) + " " + " ".join(names)
    assert set_of(names).occurrences(data.encode(), 0) == occurrences(set(names), data)


def test_a_name_is_whole() -> None:
    names = set_of(["r1", "M001:1:FC:1:1101:100:20"])
    assert names.occurrences(b"r10 xr1 M001:1:FC:1:1101:100:200", 0) == 0
    assert names.occurrences(b"\0r1\0M001:1:FC:1:1101:100:20\n", 0) == 2
    assert names.occurrences(b"r1 r1", 2) == 1  # what ended before was counted before


def test_names_of_others_are_taken_out() -> None:
    names = set_of(["r1", "r2"])
    assert names.remove(*buffers(pa.array(["r2", "r3", "r2"]))) == 1
    assert (names.size, names.occurrences(b"r1 r2", 0)) == (1, 1)
    assert names.matches(*buffers(pa.array(["r1", "r2", "r1", None]))) == 2


def test_of_more_names_than_memory_holds_an_even_share_is_kept(tmp_path: Path) -> None:
    all_names = [f"read:{i}" for i in range(20_000)]
    assert (
        write_names(tmp_path / "n.parquet", [pa.array(all_names[:9000]), pa.array(all_names[9000:])])
        == 20_000
    )
    whole = read_names([tmp_path / "n.parquet"], 1 << 30)
    assert (whole.size, whole.every) == (20_000, 1)
    part = read_names([tmp_path / "n.parquet"], 32 * 4000)
    assert part.every in (8, 16)
    assert part.size <= 4000
    assert part.matches(*buffers(pa.array(all_names))) == part.size > 1000
