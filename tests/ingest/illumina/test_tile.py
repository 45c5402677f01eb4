"""Tiles of run folders of every kind come out as they were written, and nothing damaged comes out at all."""

import gzip
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from baselake.demo.run_folder import TileCalls
from baselake.errors import InputError, NotFoundError, TruncatedInputError
from baselake.ingest.illumina.run_files import RunFolder
from baselake.ingest.illumina.tile import Tile, read_tile
from tests.ingest.illumina.made_runs import expected_bases, expected_qualities, random_tile, write_run

KINDS = ("bcl", "bcl.gz", "bgzf", "cbcl")
CYCLES = 35  # the filter is known from cycle 26 on
TILES = [
    random_tile(1, 1101, 201, CYCLES),
    random_tile(1, 1102, 64, CYCLES),
    random_tile(1, 2101, 1, CYCLES, passing=1.0),
    random_tile(2, 1101, 50, CYCLES, passing=0.0),
    random_tile(2, 2103, 77, CYCLES, passing=1.0),
]


def calls_of(tile: Tile) -> tuple[np.ndarray, np.ndarray]:
    rows = np.arange(len(tile.calls))
    bases, quals = tile.calls.emit(rows, [(0, tile.calls.cycles)])
    return bases.reshape(len(rows), tile.calls.cycles), quals.reshape(len(rows), tile.calls.cycles)


def check_tile_is(tile: Tile, made: TileCalls, rows: np.ndarray) -> None:
    bases, quals = calls_of(tile)
    np.testing.assert_array_equal(bases, expected_bases(made)[rows])
    np.testing.assert_array_equal(quals, expected_qualities(made)[rows])
    np.testing.assert_array_equal(tile.kept, np.flatnonzero(rows))
    np.testing.assert_array_equal(tile.x, made.x[rows])
    np.testing.assert_array_equal(tile.y, made.y[rows])
    np.testing.assert_array_equal(tile.filtered, ~made.passed[rows])
    assert (tile.clusters, tile.clusters_pf) == (len(made.passed), made.passed.sum())
    assert tile.anomalies == 0


@pytest.mark.parametrize("positions", ["locs", "clocs", "pos.txt"])
@pytest.mark.parametrize("kind", KINDS)
def test_tiles_are_read_as_they_were_written(tmp_path: Path, kind: str, positions: str) -> None:
    if kind == "bgzf" and positions != "locs":
        pytest.skip("beside .bcl.bgzf there is one .locs to a lane")
    folder = write_run(tmp_path, TILES, kind=kind, positions=positions)
    assert folder.kind == kind
    for made in TILES:
        tile = read_tile(folder, made.lane, made.tile, threads=2)
        check_tile_is(tile, made, made.passed)
        assert tile.bytes > 0


@pytest.mark.parametrize("kind", KINDS)
def test_clusters_that_did_not_pass_are_kept_where_asked_for(tmp_path: Path, kind: str) -> None:
    folder = write_run(tmp_path, TILES, kind=kind, pf_excluded_from=None)
    for made in TILES:
        tile = read_tile(folder, made.lane, made.tile, include_filtered=True)
        check_tile_is(tile, made, np.ones(len(made.passed), bool))


def test_clusters_that_did_not_pass_cannot_be_completed(tmp_path: Path) -> None:
    folder = write_run(tmp_path, TILES[:1], pf_excluded_from=27)
    with pytest.raises(InputError, match="not in the file of cycle 27") as raised:
        read_tile(folder, 1, 1101, include_filtered=True)
    assert raised.value.where.endswith("C27.1/L001_1.cbcl")
    assert "--include-filtered" in raised.value.remedy
    check_tile_is(read_tile(folder, 1, 1101), TILES[0], TILES[0].passed)


def test_a_tile_of_which_none_passed_may_say_it_had_clusters(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [TILES[3], random_tile(2, 1102, 8, CYCLES)], pf_excluded_from=1)
    for path in tmp_path.rglob("*.cbcl"):
        data = bytearray(path.read_bytes())
        assert struct.unpack_from("<4I", data, 48) == (1101, 0, 0, 0)
        struct.pack_into("<I", data, 52, 50)
        path.write_bytes(data)
    assert len(read_tile(folder, 2, 1101).calls) == 0


def test_patterned_flow_cells_share_their_positions(tmp_path: Path) -> None:
    one = TILES[0]
    other = replace(random_tile(2, 2101, 201, CYCLES), x=one.x, y=one.y)
    folder = write_run(tmp_path, [one, other], positions="s.locs")
    for made in (one, other):
        check_tile_is(read_tile(folder, made.lane, made.tile), made, made.passed)
    (folder.intensities / "s.locs").rename(folder.intensities / "s_2.locs")
    with pytest.raises(NotFoundError, match="no file of the positions of tile 1101"):
        read_tile(folder, 1, 1101)
    check_tile_is(read_tile(folder, 2, 2101), other, other.passed)


def test_without_positions_names_are_the_numbers_of_clusters(tmp_path: Path) -> None:
    folder = write_run(tmp_path, TILES[:1], positions=None)
    with pytest.raises(NotFoundError) as raised:
        read_tile(folder, 1, 1101)
    assert "--allow-missing positions" in raised.value.remedy
    tile = read_tile(folder, 1, 1101, missing_positions=True)
    np.testing.assert_array_equal(tile.x, np.flatnonzero(TILES[0].passed))
    np.testing.assert_array_equal(tile.y, 0)


@pytest.mark.parametrize(
    ("no_calls", "bases", "quals"), [("bin", "NNNNG", "#####"), ("picard", "NCGTG", '#"""#')]
)
def test_bases_of_quality_0_are_no_calls_and_counted(
    tmp_path: Path, no_calls: str, bases: str, quals: str
) -> None:
    made = random_tile(1, 1101, 5, 1, passing=1.0)
    folder = write_run(tmp_path, [made], kind="bcl")
    path = folder.calls_path(1, 1101, 1)
    path.write_bytes(struct.pack("<I", 5) + bytes([0, 1, 2, 3, 2 | 2 << 2]))
    tile = read_tile(folder, 1, 1101, no_calls=no_calls)  # type: ignore[arg-type]
    assert tile.anomalies == 3
    assert [column.tobytes().decode() for column in calls_of(tile)] == [bases, quals]


@pytest.mark.parametrize(
    ("no_calls", "bases", "quals"), [("bin", "NNNNG", "####:"), ("picard", "NCGTG", "#!!!:")]
)
def test_bases_of_the_lowest_bin_are_no_calls_and_counted(
    tmp_path: Path, no_calls: str, bases: str, quals: str
) -> None:
    folder = write_run(tmp_path, [random_tile(1, 1101, 5, 1, passing=1.0)], kind="cbcl")
    path = folder.calls_path(1, 1101, 1)
    member = gzip.compress(bytes([0x10, 0x32, 2 | 2 << 2]), mtime=0)
    data = path.read_bytes()[:65]
    path.write_bytes(data[:60] + struct.pack("<I", len(member)) + data[64:] + member)
    tile = read_tile(folder, 1, 1101, no_calls=no_calls)  # type: ignore[arg-type]
    assert tile.anomalies == 3
    assert [column.tobytes().decode() for column in calls_of(tile)] == [bases, quals]


Damage = Callable[[bytes], bytes]


def cut(bytes_off: int) -> Damage:
    return lambda data: data[:-bytes_off]


def flip(at: int) -> Damage:
    return lambda data: data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


def flip_from_end(at: int) -> Damage:
    return lambda data: data[:-at] + bytes([data[-at] ^ 0x55]) + data[len(data) - at + 1 :]


FAULTS: list[tuple[str, str, str, Damage, type[InputError], str]] = [
    ("bcl", "C7.1/s_1_1101.bcl", "cut", cut(1), TruncatedInputError, "204 bytes where 205 are"),
    ("bcl", "C7.1/s_1_1101.bcl", "longer", lambda data: data + b"x", InputError, "206 bytes where"),
    ("bcl", "C7.1/s_1_1101.bcl", "empty", lambda data: b"", TruncatedInputError, "0 bytes where 205"),
    (
        "bcl",
        "C7.1/s_1_1101.bcl",
        "count",
        flip(0),
        InputError,
        "156 clusters at byte 0, and 201 in the filter",
    ),
    ("bcl.gz", "C7.1/s_1_1101.bcl.gz", "cut", cut(1), TruncatedInputError, "is cut off"),
    ("bcl.gz", "C7.1/s_1_1101.bcl.gz", "half", cut(60), TruncatedInputError, "is cut off"),
    ("bcl.gz", "C7.1/s_1_1101.bcl.gz", "empty", lambda data: b"", TruncatedInputError, "0 bytes where 1 are"),
    ("bcl.gz", "C7.1/s_1_1101.bcl.gz", "checksum", flip_from_end(6), InputError, "damaged.*checksum"),
    ("bcl.gz", "C7.1/s_1_1101.bcl.gz", "longer", lambda data: data + b"x", InputError, "1 bytes follow"),
    ("bgzf", "0007.bcl.bgzf", "cut", cut(60), TruncatedInputError, "bytes where"),
    ("bgzf", "0007.bcl.bgzf", "checksum", flip(60), InputError, "block at byte 0 is damaged"),
    ("bgzf", "0007.bcl.bgzf", "no block", flip(0), InputError, "no BGZF block begins at byte 0"),
    (
        "bgzf",
        "0007.bcl.bgzf",
        "gzip",
        lambda data: gzip.compress(b"", mtime=0),
        InputError,
        "no BGZF block|bytes",
    ),
    ("bgzf", "0007.bcl.bgzf.bci", "cut", cut(1), TruncatedInputError, "23 bytes where 24 are"),
    ("bgzf", "0007.bcl.bgzf.bci", "version", flip(0), InputError, "index version 85"),
    ("bgzf", "0007.bcl.bgzf.bci", "first", flip(8), InputError, "first tile at block 0, byte 81"),
    ("bgzf", "s_1.bci", "cut", cut(1), TruncatedInputError, "15 bytes where 16"),
    ("bgzf", "s_1.bci", "order", lambda data: data[8:] + data[:8], InputError, "tiles do not ascend"),
    ("bgzf", "s_1.filter", "cut", cut(1), TruncatedInputError, "276 bytes where 277"),
    ("cbcl", "C7.1/L001_1.cbcl", "cut", cut(1), InputError, "bytes where|cut off"),
    ("cbcl", "C7.1/L001_1.cbcl", "header", lambda data: data[:50], TruncatedInputError, "50 bytes where 81"),
    ("cbcl", "C7.1/L001_1.cbcl", "empty", lambda data: b"", TruncatedInputError, "0 bytes where 12"),
    ("cbcl", "C7.1/L001_1.cbcl", "version", flip(0), InputError, "CBCL version 84"),
    (
        "cbcl",
        "C7.1/L001_1.cbcl",
        "bits",
        flip(6),
        InputError,
        "87 bits to a base and 2 to a quality at byte 6",
    ),
    ("cbcl", "C7.1/L001_1.cbcl", "bins", flip(8), InputError, "81 quality bins at byte 8"),
    ("cbcl", "C7.1/L001_1.cbcl", "bin", flip(12), InputError, "quality bins at byte 12"),
    ("cbcl", "C7.1/L001_1.cbcl", "quality", flip(25), InputError, "quality of 21771 at byte 12"),
    ("cbcl", "C7.1/L001_1.cbcl", "tiles", flip(44), InputError, "87 tiles take"),
    ("cbcl", "C7.1/L001_1.cbcl", "clusters", flip(52), InputError, "bytes for the"),
    ("cbcl", "C7.1/L001_1.cbcl", "excluded", flip(80), InputError, "85 instead of 0 or 1 at byte 80"),
    (
        "cbcl",
        "C7.1/L001_1.cbcl",
        "excluded",
        lambda data: data[:80] + b"\1" + data[81:],
        InputError,
        "that passed",
    ),
    (
        "cbcl",
        "C30.1/L001_1.cbcl",
        "included",
        lambda data: data[:80] + b"\0" + data[81:],
        InputError,
        "in the filter",
    ),
    ("cbcl", "C7.1/L001_1.cbcl", "member", flip(81), InputError, "tile 1101 at byte 81 is damaged"),
    (
        "cbcl",
        "s_1_1101.filter",
        "flag",
        flip_from_end(1),
        InputError,
        "instead of 0 or 1 at byte 212, cluster 200",
    ),
]


@pytest.mark.parametrize(
    ("kind", "name", "what", "damage", "error", "message"), FAULTS, ids=[f"{f[1]}-{f[2]}" for f in FAULTS]
)
def test_a_damaged_file_is_refused_by_name(
    tmp_path: Path,
    kind: str,
    name: str,
    what: str,
    damage: Damage,
    error: type[InputError],
    message: str,
) -> None:
    folder = write_run(tmp_path, TILES[:2], kind=kind)
    path = folder.lane_folder(1) / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(error, match=message) as raised:
        # The last tile of a file is the one a cut file lacks.
        read_tile(folder, 1, 1102 if what == "cut" and kind in ("cbcl", "bgzf") else 1101, threads=2)
    assert raised.value.where == str(path)
    assert raised.value.remedy


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_file_is_named(tmp_path: Path, kind: str) -> None:
    folder = write_run(tmp_path, TILES[:2], kind=kind)
    path = folder.calls_path(1, 1101, 12)
    path.unlink()
    with pytest.raises(NotFoundError, match="missing") as raised:
        read_tile(folder, 1, 1101)
    assert raised.value.where == str(path)


def test_a_tile_that_its_file_does_not_hold_is_named(tmp_path: Path) -> None:
    folder = write_run(tmp_path, TILES[:2])
    shutil.copy(folder.filter_path(1, 1101), folder.filter_path(1, 1107))
    shutil.copy(folder.intensities / "L001" / "s_1_1101.locs", folder.intensities / "L001" / "s_1_1107.locs")
    with pytest.raises(NotFoundError, match="tile 1107 is not in its table"):
        read_tile(folder, 1, 1107)


def test_the_first_cycle_at_fault_is_told(tmp_path: Path) -> None:
    folder: RunFolder = write_run(tmp_path, TILES[:1], kind="bcl")
    for cycle in (9, 12, 30):
        folder.calls_path(1, 1101, cycle).write_bytes(b"")
    with pytest.raises(TruncatedInputError) as raised:
        read_tile(folder, 1, 1101, threads=2)
    assert "/C9.1/" in raised.value.where
