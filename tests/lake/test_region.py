"""Regions are typed as samtools reads them: from 1, both ends included, commas allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselake.errors import InputError, NotFoundError
from baselake.lake.region import Region, parse_region

LENGTHS = {"20": 64_444_167, "HLA-A*01:01:01:01": 3503, "HLA-A*01": 100}


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("20", Region("20", 0, 64_444_167)),
        ("20:10,000,001-10,100,000", Region("20", 10_000_000, 10_100_000)),
        ("20:64444167", Region("20", 64_444_166, 64_444_167)),
        ("20:64444000-99999999", Region("20", 64_443_999, 64_444_167)),
        ("20:5-", Region("20", 4, 64_444_167)),
        ("HLA-A*01:01:01:01", Region("HLA-A*01:01:01:01", 0, 3503)),
        ("HLA-A*01:01:01:01:7-9", Region("HLA-A*01:01:01:01", 6, 9)),
    ],
)
def test_a_region_is_read(text: str, region: Region) -> None:
    assert parse_region(text, LENGTHS) == region


@pytest.mark.parametrize("text", ["20:0-10", "20:10-5", "20:99999999", "20:64444168-64444170"])
def test_no_such_stretch(text: str) -> None:
    with pytest.raises(InputError, match="no such stretch of 20"):
        parse_region(text, LENGTHS)


@pytest.mark.parametrize("text", ["21", "chr20:1-5", "", "20:x-y", "20:"])
def test_no_such_contig(text: str) -> None:
    with pytest.raises(NotFoundError, match="no contig"):
        parse_region(text, LENGTHS)


@given(st.integers(0, 3502), st.integers(1, 3503))
def test_what_is_printed_is_read_back(start: int, length: int) -> None:
    region = Region("HLA-A*01:01:01:01", start, min(start + length, 3503))
    assert parse_region(str(region), LENGTHS) == region
