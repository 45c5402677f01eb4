"""Base-call files of Picard's tests: good ones are read, and bad ones are refused where they are wrong."""

from pathlib import Path

import numpy as np
import pytest

from baselake.errors import InputError, TruncatedInputError
from baselake.ingest.illumina._calls import select_bytes
from baselake.ingest.illumina.basecalls import (
    bcl_table,
    cbcl_table,
    read_bcl,
    read_cbcl_header,
    read_cbcl_member,
    read_tile_offsets,
)


@pytest.fixture(scope="module")
def picard_data(shared_data: Path) -> Path:
    return shared_data / "run_folders" / "picard"


def test_bcl_is_read(picard_data: Path) -> None:
    path = picard_data / "readerTests" / "bcl_passing.bcl"
    assert bytes(read_bcl(path, 118)) == path.read_bytes()[4:]


@pytest.mark.parametrize(
    ("name", "clusters", "message"),
    [
        ("bcl_tooShort", 118, "16,777,334 clusters at byte 0, and 118 in the filter"),
        ("bcl_tooLong", 118, "10 clusters at byte 0, and 118 in the filter"),
        ("bcl_tooLong", 10, "122 bytes where 10 clusters take 14"),
    ],
)
def test_bad_bcl_is_refused(picard_data: Path, name: str, clusters: int, message: str) -> None:
    path = picard_data / "readerTests" / f"{name}.bcl"
    with pytest.raises(InputError, match=message) as raised:
        read_bcl(path, clusters)
    assert raised.value.where == str(path)


def test_bcl_shorter_than_it_says_is_cut_off(picard_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "s_1_1101.bcl"
    path.write_bytes((picard_data / "readerTests" / "bcl_passing.bcl").read_bytes()[:100])
    with pytest.raises(TruncatedInputError, match="100 bytes where 122 are"):
        read_bcl(path, 118)


@pytest.mark.parametrize(("name", "anomalies"), [("bcl_passing", 0), ("bcl_failing", 3), ("bcl_failing2", 2)])
def test_bases_without_quality_are_counted(picard_data: Path, name: str, anomalies: int) -> None:
    # Picard's tests of these expect it to refuse bytes 1 to 3; newer releases raise the quality to 1 instead.
    calls = read_bcl(picard_data / "readerTests" / f"{name}.bcl", 118)
    assert select_bytes(calls, 118, None, 118, bcl_table("bin"))[1] == anomalies


def test_cbcl_headers_are_read(picard_data: Path) -> None:
    cbcls = picard_data / "readerTests" / "cbcls"
    header = read_cbcl_header(cbcls / "C1.1" / "L001_1.cbcl")
    assert header.qualities == (0, 12, 23, 37)
    assert header.tiles.tolist() == [1101, 1102]
    assert header.clusters.tolist() == [4, 4]
    assert header.offsets.tolist() == [81, 103]
    assert header.expected_size == header.size == 125
    assert header.pf_excluded
    assert [len(read_cbcl_member(header, index, lenient=False)) for index in range(2)] == [2, 2]
    # Of a tile of which no cluster passed nothing is stored, and the count is that of all.
    empty = read_cbcl_header(cbcls / "C3.1" / "L001_1.cbcl")
    assert (empty.clusters.tolist(), empty.inflated.tolist()) == ([4, 4], [0, 2])
    assert read_cbcl_member(empty, 0, lenient=False) == b""


def test_what_nibbles_mean(picard_data: Path) -> None:
    header = read_cbcl_header(picard_data / "readerTests" / "cbcls" / "C1.1" / "L001_1.cbcl")
    rest = [base | quality << 2 for quality in (12, 23, 37) for base in range(4)]
    assert list(cbcl_table(header, "bin")) == [0, 0, 0, 0, *rest]
    assert list(cbcl_table(header, "picard")) == [0, 1, 2, 3, *rest]


def test_members_of_a_known_size_can_be_read_though_their_checksum_is_cut_off(picard_data: Path) -> None:
    lane = picard_data / "151T8B8B151T_cbcl" / "Data" / "Intensities" / "BaseCalls" / "L001"
    headers = [
        read_cbcl_header(lane / f"C{cycle}.1" / f"L001_{surface}.cbcl")
        for cycle in range(1, 319)
        for surface in (1, 2)
    ]
    cut_off = [header for header in headers if header.size != header.expected_size]
    assert (len(headers), len(cut_off)) == (636, 270)
    for header in headers:
        assert len(read_cbcl_member(header, 0, lenient=True)) == 14
    for header in cut_off:
        with pytest.raises(TruncatedInputError, match=r"tile 110[12] at byte 65 is cut off"):
            read_cbcl_member(header, 0, lenient=False)


def test_tile_offsets_are_counted(picard_data: Path, tmp_path: Path) -> None:
    # Picard's example has offsets that no file has; its structure is that of the instrument's.
    path = picard_data / "parserTests" / "bciParser" / "0001.bcl.bgzf.bci"
    data = bytearray(path.read_bytes())
    with pytest.raises(InputError, match="216 tiles at byte 4, and 215 in the lane"):
        read_tile_offsets(path, 215)
    with pytest.raises(InputError, match="first tile at block 0, byte 1, not at 0, 4"):
        read_tile_offsets(path, 216)
    data[8] = 4
    mended = tmp_path / path.name
    mended.write_bytes(data)
    np.testing.assert_array_equal(read_tile_offsets(mended, 216), [4] + [1] * 215)
