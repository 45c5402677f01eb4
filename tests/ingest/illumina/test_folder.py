"""Whether a run folder is whole: what is missing, cut off or of another size is told, nothing else is."""

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from baselake.demo.run_folder import instrument_order
from baselake.errors import NotFoundError
from baselake.ingest.illumina import folder as folders
from baselake.ingest.illumina.folder import check_run, check_tile, observe, open_run_folder
from baselake.ingest.illumina.run_files import RunFolder
from baselake.ingest.illumina.run_info import read_run_info
from baselake.ingest.run_source import Fault
from tests.ingest.illumina.made_runs import random_tile, write_run

KINDS = ("bcl", "bcl.gz", "bgzf", "cbcl")
CYCLES = 30
TILES = [
    random_tile(lane, tile, clusters, CYCLES)
    for lane, tile, clusters in ((1, 1101, 40), (1, 1102, 41), (1, 2101, 42), (2, 1101, 43), (2, 1102, 0))
]


def told(fault: Fault) -> tuple[str, int | None, int | None, int | None, bool]:
    return fault.path.name, fault.lane, fault.tile, fault.cycle, fault.missing


def faults(folder: RunFolder) -> list[tuple[str, int | None, int | None, int | None, bool]]:
    return [told(fault) for fault in check_run(folder).faults]


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_run_has_no_faults(tmp_path: Path, kind: str) -> None:
    folder = write_run(tmp_path, TILES, kind=kind)
    found = check_run(folder)
    assert found.faults == ()
    of_calls = {"bgzf": "*.bgzf", "cbcl": "*.cbcl"}.get(kind, f"*.{kind}")
    assert found.bytes == sum(path.stat().st_size for path in tmp_path.rglob(of_calls))
    assert found.bytes_needed >= sum(len(tile.passed) for tile in TILES) * CYCLES
    for tile in TILES:
        assert check_tile(folder, tile.lane, tile.tile) == ()
        assert folders.clusters_of(folder, tile.lane, tile.tile) == len(tile.passed)
    assert folders.absent_tiles(folder, folder.run_info.tiles) == {}
    assert observe(tmp_path, folder.run_info).cycles == CYCLES


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil(path: Path) -> None:
    """Another format or version."""
    path.write_bytes(b"\x77" + path.read_bytes()[1:])


def spoil_count(path: Path) -> None:
    """A CBCL file that says of the first tile it has one pair of clusters less."""
    data = bytearray(path.read_bytes())
    clusters, inflated = struct.unpack_from("<II", data, 52)
    struct.pack_into("<II", data, 52, clusters - 2, inflated - 1)
    path.write_bytes(data)


BCL, GZ = "C7.1/s_1_1102.bcl", "C7.1/s_1_1102.bcl.gz"
CASES: list[
    tuple[str, str, Callable[[Path], None], list[tuple[str, int | None, int | None, int | None, bool]]]
] = [
    ("bcl", BCL, cut, [("s_1_1102.bcl", 1, 1102, 7, True)]),
    ("bcl", BCL, empty, [("s_1_1102.bcl", 1, 1102, 7, True)]),
    ("bcl", BCL, lengthen, [("s_1_1102.bcl", 1, 1102, 7, False)]),
    ("bcl", BCL, Path.unlink, [("s_1_1102.bcl", 1, 1102, 7, True)]),
    ("bcl", "C7.1", shutil.rmtree, [("C7.1", 1, None, 7, True)]),
    ("bcl", ".", shutil.rmtree, [(f"s_1_{tile}.filter", 1, tile, None, True) for tile in (1101, 1102, 2101)]),
    ("bcl", "s_1_1102.filter", Path.unlink, [("s_1_1102.filter", 1, 1102, None, True)]),
    ("bcl", "s_1_1102.filter", cut, [("s_1_1102.filter", 1, 1102, None, True)]),
    ("bcl", "s_1_1102.filter", lengthen, [("s_1_1102.filter", 1, 1102, None, False)]),
    ("bcl", "s_1_1102.filter", spoil, [("s_1_1102.filter", 1, 1102, None, False)]),
    ("bcl", "../../L001/s_1_1102.locs", cut, [("s_1_1102.locs", 1, 1102, None, True)]),
    ("bcl", "../../L001/s_1_1102.locs", Path.unlink, [("Intensities", 1, 1102, None, True)]),
    ("bcl", "../../L001", shutil.rmtree, [("Intensities", 1, None, None, True)]),
    ("bcl.gz", GZ, cut, [("s_1_1102.bcl.gz", 1, 1102, 7, True)]),
    ("bcl.gz", GZ, empty, [("s_1_1102.bcl.gz", 1, 1102, 7, True)]),
    ("bcl.gz", GZ, Path.unlink, [("s_1_1102.bcl.gz", 1, 1102, 7, True)]),
    ("cbcl", "C7.1/L001_1.cbcl", cut, [("L001_1.cbcl", 1, None, 7, True)]),
    ("cbcl", "C7.1/L001_1.cbcl", empty, [("L001_1.cbcl", 1, None, 7, True)]),
    ("cbcl", "C7.1/L001_1.cbcl", lengthen, [("L001_1.cbcl", 1, None, 7, False)]),
    ("cbcl", "C7.1/L001_1.cbcl", spoil, [("L001_1.cbcl", 1, None, 7, False)]),
    ("cbcl", "C7.1/L001_1.cbcl", spoil_count, [("L001_1.cbcl", 1, 1101, 7, False)]),
    ("cbcl", "C29.1/L001_1.cbcl", spoil_count, [("L001_1.cbcl", 1, 1101, 29, False)]),
    ("cbcl", "C7.1/L001_2.cbcl", Path.unlink, [("L001_2.cbcl", 1, None, 7, True)]),
    ("cbcl", "C7.1", shutil.rmtree, [("C7.1", 1, None, 7, True)]),
    ("bgzf", "0007.bcl.bgzf", cut, [("0007.bcl.bgzf", 1, None, 7, True)]),
    ("bgzf", "0007.bcl.bgzf", Path.unlink, [("0007.bcl.bgzf", 1, None, 7, True)]),
    ("bgzf", "0007.bcl.bgzf.bci", cut, [("0007.bcl.bgzf.bci", 1, None, 7, True)]),
    ("bgzf", "0007.bcl.bgzf.bci", Path.unlink, [("0007.bcl.bgzf.bci", 1, None, 7, True)]),
    ("bgzf", "s_1.filter", cut, [("s_1.filter", 1, None, None, True)]),
    ("bgzf", "../../L001/s_1.locs", cut, [("s_1.locs", 1, None, None, True)]),
]


@pytest.mark.parametrize(
    ("kind", "name", "damage", "expected"),
    CASES,
    ids=[f"{name}-{damage.__name__}" for _, name, damage, _ in CASES],
)
def test_what_is_wrong_is_told(
    tmp_path: Path,
    kind: str,
    name: str,
    damage: Callable[[Path], None],
    expected: list[tuple[str, int | None, int | None, int | None, bool]],
) -> None:
    folder = write_run(tmp_path, TILES, kind=kind)
    damage(folder.lane_folder(1) / name)
    found = check_run(folder)
    assert [told(fault) for fault in found.faults] == expected
    assert found.waiting == all(fault.missing for fault in found.faults)
    # Tiles of which it is not told are whole.
    tiles = {(fault.lane, fault.tile) for fault in found.faults}
    for lane, tile in folder.run_info.tiles:
        if not tiles & {(lane, tile), (lane, None)}:
            assert check_tile(folder, lane, tile) == ()


def test_a_tile_that_is_not_in_its_cbcl_file_is_told(tmp_path: Path) -> None:
    whole = write_run(tmp_path / "whole", TILES)
    lesser = write_run(tmp_path / "lesser", [TILES[0], TILES[2]])
    path = whole.calls_path(1, 1101, 9)
    shutil.copy(lesser.calls_path(1, 1101, 9), path)
    assert faults(whole) == [("L001_1.cbcl", 1, 1102, 9, True)]
    assert [told(fault) for fault in check_tile(whole, 1, 1102)] == [("L001_1.cbcl", 1, 1102, 9, True)]
    assert check_tile(whole, 1, 1101) == ()


@pytest.mark.parametrize("kind", ["bcl", "cbcl"])
def test_tiles_of_which_there_is_nothing_may_be_allowed(tmp_path: Path, kind: str) -> None:
    info = write_run(tmp_path / "all", TILES, kind=kind).run_info
    write_run(tmp_path / "some", [TILES[0], TILES[2], TILES[3]], kind=kind)
    folder = open_run_folder(tmp_path / "some", info)
    absent = folders.absent_tiles(folder, info.tiles)
    assert list(absent) == [(1, 1102), (2, 1102)]
    assert faults(folder) == [
        ("s_1_1102.filter", 1, 1102, None, True),
        ("s_2_1102.filter", 2, 1102, None, True),
    ]
    assert check_run(folder, allow_missing=["tiles"]).faults == ()


def test_positions_may_be_allowed_to_be_missing(tmp_path: Path) -> None:
    folder = write_run(tmp_path, TILES, positions=None)
    assert faults(folder) == [("Intensities", lane, None, None, True) for lane in (1, 2)]
    assert check_run(folder, allow_missing=["positions"]).faults == ()


def test_a_header_is_read_again_only_where_its_file_has_changed(tmp_path: Path) -> None:
    folder = write_run(tmp_path, TILES)
    path = folder.calls_path(1, 1101, 3)
    header = folder.cbcl_header(path)
    assert folder.cbcl_header(path) is header
    lengthen(path)
    assert folder.cbcl_header(path).size == header.size + 1
    path.unlink()
    with pytest.raises(NotFoundError, match="missing"):
        folder.cbcl_header(path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_not_whole_before_its_last_file(tmp_path: Path, kind: str) -> None:
    """Files arrive in the instrument's order; after each, the run is waited for or whole, never at fault."""
    tiles = [random_tile(1, tile, 9, 28) for tile in (1101, 1102)]
    whole = write_run(tmp_path / "whole", tiles, kind=kind)
    info = read_run_info(tmp_path / "whole" / "RunInfo.xml")
    root = tmp_path / "arriving"
    root.mkdir()
    assert observe(root, info).cycles == 0
    with pytest.raises(NotFoundError, match="no base calls"):
        open_run_folder(root, info)
    order = list(instrument_order(whole.root))
    assert order[0].name == "RunInfo.xml"
    assert [path.name for path in order[-2:]] == ["RTAComplete.txt", "CopyComplete.txt"]
    needed = [path for path in order if "Data" in path.parts]
    cycles, signatures = [], set()
    for path in order:
        arrived = root / path.relative_to(whole.root)
        arrived.parent.mkdir(parents=True, exist_ok=True)
        data = path.read_bytes()
        for size in (len(data) // 2, len(data)):
            if data and size == 0:
                continue
            arrived.write_bytes(data[:size])
            seen = observe(root, info)
            assert seen.signature not in signatures
            signatures.add(seen.signature)
            cycles.append(seen.cycles)
            try:
                found = check_run(open_run_folder(root, info))
            except NotFoundError:
                assert not any(place.exists() for place in root.rglob("C1.1/*"))
                continue
            ready = arrived == root / needed[-1].relative_to(whole.root) and size == len(data)
            assert found.whole == (ready or "Data" not in path.parts)
            assert found.whole or found.waiting, found.faults
    assert cycles == sorted(cycles)
    assert cycles[-1] == 28
