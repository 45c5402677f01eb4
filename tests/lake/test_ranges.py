"""A file of ranges reads as the bytes do, however it is read."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from baselake.lake.ranges import open_ranges

BYTES = bytes(range(256)) * 700


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.integers(-300, 200_000), st.integers(-1, 200_000))))
def test_it_is_read_like_a_file_in_memory(steps: list[tuple[int, int, int]]) -> None:
    file, memory = open_ranges(lambda start, end: BYTES[start:end], len(BYTES)), io.BytesIO(BYTES)
    for whence, offset, count in steps:
        there = {0: 0, 1: memory.tell(), 2: len(BYTES)}[whence] + offset
        assert file.seek(max(0, there)) == memory.seek(max(0, there))
        assert file.read(count) == memory.read(count)
        assert file.tell() == memory.tell()


def test_arrow_reads_parquet_by_it() -> None:
    table = pa.table({"a": list(range(10_000)), "b": ["x" * (n % 7) for n in range(10_000)]})
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=1000)
    data = out.getvalue()
    asked = []

    def fetch(start: int, end: int) -> bytes:
        asked.append(end - start)
        return data[start:end]

    assert pq.ParquetFile(open_ranges(fetch, len(data))).read_row_group(3, ["a"])["a"].to_pylist()[0] == 3000
    assert sum(asked) < 3 * len(data)
