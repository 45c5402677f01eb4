"""Values of uncompressed columns are found in a Parquet file as Parquet's own reader finds them."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselake.lake.columns.pages import value_places

VALUES = st.lists(st.one_of(st.none(), st.binary(max_size=300)), min_size=1, max_size=200)


def places_in(data: bytes, column: int = 0) -> list[bytes]:
    """The values of the first row group's column."""
    chunk = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(column)

    def read(at: int, size: int) -> bytes:
        return data[at : at + size]

    places = value_places(read, chunk.data_page_offset, chunk.total_compressed_size)
    return [data[at : at + size] for at, size in places]


def written(values: list[bytes | None], **options: object) -> bytes:
    out = io.BytesIO()
    table = pa.table({"v": pa.array(values, pa.binary()), "n": np.arange(len(values))})
    chosen = {"compression": "none", "use_dictionary": False, "write_statistics": False} | options
    pq.write_table(table, out, **chosen)
    return out.getvalue()


@given(VALUES, st.sampled_from(["1.0", "2.0"]), st.sampled_from([64, 1 << 20]))
@settings(max_examples=60, deadline=None)
def test_values_are_found(values: list[bytes | None], version: str, page: int) -> None:
    data = written(values, data_page_version=version, data_page_size=page, write_batch_size=7)
    assert places_in(data) == [value for value in values if value is not None]


def test_page_headers_with_statistics_are_read() -> None:
    assert places_in(written([b"a" * 90, None, b"b"], write_statistics=True)) == [b"a" * 90, b"b"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"compression": "zstd"}, "compressed"),
        ({"use_dictionary": True}, "dictionary"),
        ({"column_encoding": {"v": "DELTA_BYTE_ARRAY"}}, "another encoding"),
    ],
)
def test_what_cannot_be_read_so_is_told(options: dict, said: str) -> None:
    data = written([b"x" * 500, b"x" * 500, b"y"], **options)
    chunk = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(0)
    first = chunk.dictionary_page_offset or chunk.data_page_offset
    with pytest.raises(ValueError, match=said):
        value_places(lambda at, size: data[at : at + size], first, chunk.total_compressed_size)


def test_a_chunk_that_ends_early_is_told() -> None:
    data = written([b"x" * 50] * 20)
    with pytest.raises(ValueError, match=r"early|as long as"):
        value_places(lambda at, size: data[at : min(at + size, 300)], 4, 1000)
