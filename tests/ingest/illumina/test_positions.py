"""Files of positions: good ones are read, and Picard's bad ones are refused where they are wrong."""

import struct
from pathlib import Path

import numpy as np
import pytest

from baselake.errors import InputError, TruncatedInputError
from baselake.ingest.illumina.positions import read_positions


@pytest.fixture(scope="module")
def reader_tests(shared_data: Path) -> Path:
    return shared_data / "run_folders" / "picard" / "readerTests"


def locs(*pixels: float) -> bytes:
    return struct.pack(f"<IfI{len(pixels)}f", 1, 1.0, len(pixels) // 2, *pixels)


def test_locs_are_read(reader_tests: Path) -> None:
    path = reader_tests / "s_1_6.locs"
    values = struct.unpack_from("<400f", path.read_bytes(), 12)
    x, y = read_positions(path, 200)
    assert x.dtype == y.dtype == np.int32
    assert x.tolist() == [round(10 * value + 1000) for value in values[0::2]]
    assert y.tolist() == [round(10 * value + 1000) for value in values[1::2]]
    part = read_positions(path, 30, 100, 200)
    np.testing.assert_array_equal(part, [x[100:130], y[100:130]])


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("s_1_7", InputError, "1,616 bytes where 200 positions take 1,612"),
        ("s_1_8", InputError, "1,613 bytes where 200 positions take 1,612"),
        ("s_1_9", InputError, "5 instead of 1 at byte 0"),
        ("s_1_10", InputError, "locs version 1.00781 at byte 4"),
    ],
)
def test_bad_locs_are_refused(reader_tests: Path, name: str, error: type[InputError], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        read_positions(reader_tests / f"{name}.locs", 200)
    assert raised.value.where == str(reader_tests / f"{name}.locs")


def test_locs_are_rounded_in_double_precision(tmp_path: Path) -> None:
    path = tmp_path / "s.locs"
    # 10 * 1677721.75 has no single-precision value; -3.04 is left of the image.
    path.write_bytes(locs(1677721.75, -3.04, 0.05, 0.04))
    x, y = read_positions(path, 2)
    assert (x.tolist(), y.tolist()) == ([16778218, 1001], [970, 1000])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -101.0, 3e8])
def test_positions_off_any_image_are_refused(tmp_path: Path, bad: float) -> None:
    path = tmp_path / "s.locs"
    path.write_bytes(locs(1.0, 1.0, 1.0, bad))
    with pytest.raises(InputError, match=r"cluster 1 lies at 1, .*on no image"):
        read_positions(path, 2)


def test_other_numbers_of_clusters_are_refused(reader_tests: Path) -> None:
    with pytest.raises(InputError, match="200 positions, and 199 clusters in the filter"):
        read_positions(reader_tests / "s_1_6.locs", 199)
    with pytest.raises(InputError, match="20 positions, and 4 clusters in the filter"):
        read_positions(reader_tests / "s_1_1101_pos.txt", 4)


def test_clocs_are_read(reader_tests: Path) -> None:
    path = reader_tests / "s_2_1101.clocs"
    x, y = read_positions(path, 20)
    # One bin of 20 clusters: the first pairs are b2 03, ed 11, b9 27.
    assert list(zip(x.tolist(), y.tolist(), strict=True))[:3] == [(1178, 1003), (1237, 1017), (1185, 1039)]


def clocs(*bins: list[tuple[int, int]]) -> bytes:
    return struct.pack("<BI", 1, len(bins)) + b"".join(
        bytes([len(pairs)]) + bytes(value for pair in pairs for value in pair) for pairs in bins
    )


def test_clocs_go_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "s_1_1101.clocs"
    path.write_bytes(clocs([(0, 1)], *[[]] * 80, [(2, 3)], [(4, 5), (6, 7)], [(8, 9)]))
    x, y = read_positions(path, 5)
    assert x.tolist() == [1000, 1000 + 81 * 250 + 2, 1004, 1006, 1258]
    assert y.tolist() == [1001, 1003, 1255, 1257, 1259]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (clocs([(0, 1)], [(2, 3)])[:-1], TruncatedInputError, "10 bytes where 11"),
        (clocs([(0, 1)], [(2, 3)])[:-3], TruncatedInputError, "8 bytes where 9"),
        (clocs([(0, 1)]) + b"x", InputError, "1 bytes follow the last of its 1 bins"),
        (b"\2" + clocs([(0, 1)])[1:], InputError, "clocs version 2"),
        (b"\1\xff\xff\xff\xff\0", TruncatedInputError, "6 bytes where"),
        (b"\1\0", TruncatedInputError, "2 bytes where 5"),
    ],
)
def test_bad_clocs_are_refused(tmp_path: Path, content: bytes, error: type[InputError], message: str) -> None:
    path = tmp_path / "s_1_1101.clocs"
    path.write_bytes(content)
    with pytest.raises(error, match=message) as raised:
        read_positions(path, 2)
    assert raised.value.where == str(path)


def test_text_is_read(reader_tests: Path) -> None:
    x, y = read_positions(reader_tests / "s_1_1101_pos.txt", 20)
    assert (x.tolist()[:3], y.tolist()[:3]) == ([1075, 1131, 1184], [1001, 1008, 1010])
    assert len(read_positions(reader_tests / "s_1_1104_pos.txt", 0)[0]) == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("s_1_1102_pos.txt", "'7.A0' to float64 at row 0, column 1"),
        ("pos_failing1_pos.txt", "not two numbers"),
    ],
)
def test_bad_text_is_refused(reader_tests: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        read_positions(reader_tests / name, 3)
    assert raised.value.where == str(reader_tests / name)
