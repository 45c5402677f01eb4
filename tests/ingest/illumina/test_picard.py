"""Picard reads the folders that we write as we do, and we read its folders as it does."""

import gzip
import os
import subprocess
from collections.abc import Callable, Iterable
from hashlib import sha256
from json import loads
from pathlib import Path

import numpy as np
import pytest

from baselake.demo.run_folder import RunLayout, run_info_xml
from baselake.ingest.illumina.basecalls import NoCalls
from baselake.ingest.illumina.folder import check_run, open_run_folder
from baselake.ingest.illumina.run_files import RunFolder
from baselake.ingest.illumina.run_info import Read, read_run_info
from baselake.ingest.illumina.tile import read_tile
from tests.ingest.illumina.made_runs import random_tile, read_of, write_run

READS = (read_of(1, 30), read_of(2, 8, indexed=True), read_of(3, 27))
Record = tuple[str, str, str]  # name, bases, qualities


def our_records(
    folder: RunFolder,
    *,
    no_calls: NoCalls = "bin",
    lenient: bool = False,
    include_filtered: bool = False,
    missing_positions: bool = False,
) -> dict[int, list[Record]]:
    """By read of the run, the records of all tiles."""
    info = folder.run_info
    records: dict[int, list[Record]] = {read.number: [] for read in info.reads}
    for lane, number in info.tiles:
        tile = read_tile(
            folder,
            lane,
            number,
            threads=2,
            no_calls=no_calls,
            lenient=lenient,
            include_filtered=include_filtered,
            missing_positions=missing_positions,
        )
        order = np.arange(len(tile.calls))
        prefix = f"{info.instrument}:{info.number}:{info.flowcell}:{lane}:{number}"
        offsets, text = tile.calls.names(order, tile.x, tile.y, prefix, 1)
        names = [text[offsets[row] : offsets[row + 1]].tobytes().decode() for row in order]
        for read in info.reads:
            columns = tile.calls.emit(order, [(info.first_cycle(read) - 1, read.cycles)])
            rows = [column.reshape(len(order), read.cycles) for column in columns]
            records[read.number] += [
                (name, bases.tobytes().decode(), quals.tobytes().decode())
                for name, bases, quals in zip(names, *rows, strict=True)
            ]
    return records


def fastq_records(paths: Iterable[Path]) -> list[Record]:
    records = []
    for path in paths:
        lines = path.read_text().split("\n")
        records += [
            (name[1:].split(" ")[0].removesuffix("/1").removesuffix("/2"), bases, quals)
            for name, bases, quals in zip(lines[0:-1:4], lines[1::4], lines[3::4], strict=True)
        ]
    return records


@pytest.mark.parametrize(
    ("kind", "positions", "include_filtered"),
    [("bcl", "clocs", True), ("bcl.gz", "locs", False), ("bgzf", "locs", False), ("cbcl", "s.locs", False)],
)
def test_picard_reads_what_we_write_as_we_do(
    tmp_path: Path, peer: Callable[[str], str], kind: str, positions: str, include_filtered: bool
) -> None:
    tiles = [random_tile(1, tile, 131, 65, seed=7) for tile in (1101, 1102, 2101)]
    if positions == "s.locs":
        tiles = [random_tile(1, 1101, 131, 65, seed=7)]
    folder = write_run(tmp_path / "run", tiles, READS, kind=kind, positions=positions)
    out = tmp_path / "reads"
    subprocess.run(
        [
            peer("PicardCommandLine"),
            "IlluminaBasecallsToFastq",
            f"BASECALLS_DIR={folder.lane_folder(1).parent}",
            "LANE=1",
            "READ_STRUCTURE=30T8B27T",
            f"OUTPUT_PREFIX={out}",
            f"RUN_BARCODE={folder.run_info.number}",
            f"MACHINE_NAME={folder.run_info.instrument}",
            f"FLOWCELL_BARCODE={folder.run_info.flowcell}",
            "READ_NAME_FORMAT=CASAVA_1_8",
            f"INCLUDE_NON_PF_READS={str(include_filtered).lower()}",
            "APPLY_EAMSS_FILTER=false",
            "NUM_PROCESSORS=1",
            "QUIET=true",
            "VERBOSITY=ERROR",
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "JAVA_TOOL_OPTIONS": "-Xmx512m"},
    )
    ours = our_records(folder, include_filtered=include_filtered)
    assert ours == our_records(folder, include_filtered=include_filtered, no_calls="picard")
    for number, name in ((1, "1"), (2, "barcode_1"), (3, "2")):
        theirs = fastq_records([tmp_path / f"reads.{name}.fastq"])
        assert sorted(theirs) == sorted(ours[number]), name
    assert len(ours[1]) == sum(len(tile.passed) if include_filtered else tile.passed.sum() for tile in tiles)


def linked_run(data: Path, root: Path, reads: tuple[Read, ...], tiles: tuple[int, ...]) -> RunFolder:
    """A folder of Picard's, which has no RunInfo.xml, with one."""
    layout = RunLayout(
        run_id="of_picard",
        tiles=tuple((1, tile, 0) for tile in tiles),
        reads=reads,
        instrument="machine1",
        flowcell="abcdeACXX",
    )
    root.mkdir()
    (root / "RunInfo.xml").write_text(run_info_xml(layout))
    (root / "Data").symlink_to(data / "Data")
    return open_run_folder(root, read_run_info(root / "RunInfo.xml"))


def expected_of(folder: Path, ending: str) -> list[Record]:
    return fastq_records(sorted(folder.glob(f"*.{ending}.fastq")))


def test_picards_bcl_folder_is_read_as_expected(tmp_path: Path, shared_data: Path) -> None:
    data = shared_data / "run_folders" / "picard" / "25T8B25T"
    reads = (read_of(1, 25), read_of(2, 8, indexed=True), read_of(3, 25))
    folder = linked_run(data, tmp_path / "run", reads, (1101, 1201, 2101))
    assert check_run(folder).faults == ()
    ours = our_records(folder, include_filtered=True, no_calls="picard")
    assert [len(ours[number]) for number in (1, 2, 3)] == [180, 180, 180]
    # The folder has the outcome of several calls of Picard, some of which divide the cycles in another way; and its
    # EAMSS filter has made qualities '#' from some base on to the end.
    for number, ending in ((1, "1"), (2, "barcode_1"), (3, "2")):
        expected = by_place(expected_of(data / "fastq", ending))
        for name, bases, quals in by_place(ours[number]):
            theirs = {record[2].rstrip("#") for record in expected if record[:2] == (name, bases)}
            assert theirs
            assert all(quals.startswith(good) for good in theirs), (name, quals, theirs)
    passed = our_records(folder, no_calls="picard")
    assert len(passed[1]) == 148
    assert set(passed[1]) < set(ours[1])


def by_place(records: list[Record]) -> list[Record]:
    """With names from the lane on: what precedes depends on how Picard was called."""
    return [(":".join(name.split(":")[-4:]), bases, quals) for name, bases, quals in records]


def test_picards_cbcl_folder_is_read_as_expected(tmp_path: Path, shared_data: Path) -> None:
    data = shared_data / "run_folders" / "picard" / "151T8B8B151T_cbcl"
    indexes = (read_of(2, 8, indexed=True), read_of(3, 8, indexed=True))
    folder = linked_run(data, tmp_path / "run", (read_of(1, 151), *indexes, read_of(4, 151)), (1101, 1102))
    # 270 of its files are a byte longer than their headers say.
    sizes = {fault.path for fault in check_run(folder, allow_missing=["positions"]).faults}
    assert len(sizes) == 270
    ours = our_records(folder, no_calls="picard", lenient=True, missing_positions=True)
    assert len(ours[1]) == 50
    for number, ending in ((1, "1"), (2, "barcode_1"), (3, "barcode_2"), (4, "2")):
        # Its positions are not in the folder, so that names differ.
        expected = expected_of(data / "fastq", ending)
        assert sorted(record[1:] for record in ours[number]) == sorted(record[1:] for record in expected)


def test_a_real_miseq_run_is_read_as_expected(shared_data: Path) -> None:
    data = shared_data / "run_folders" / "miseq_220422_first100k"
    root = data / "220422_M11111_0222_000000000-K9H97"
    folder = open_run_folder(root, read_run_info(root / "RunInfo.xml"))
    assert check_run(folder, allow_missing=["positions", "tiles"]).faults == ()
    tile = read_tile(folder, 1, 1101, threads=2, missing_positions=True)
    expected = loads((data / "expected.json").read_text())
    assert (tile.clusters, tile.clusters_pf) == (expected["clusters"], expected["pf"])
    assert tile.anomalies == 0
    bases, quals = tile.calls.emit(np.arange(tile.clusters_pf), [(0, expected["cycles"])])
    rows = [row.tobytes() for row in bases.reshape(-1, expected["cycles"])]
    digest = sha256(b"".join(row + b"\n" for row in rows)).hexdigest()
    assert digest == expected["sha256_of_pf_sequences_newline_joined"]
    with gzip.open(data / "expected_pf_reads.seq_qual.tsv.gz", "rt") as file:
        theirs = [tuple(line.split()) for line in file]
    qualities = [row.tobytes().decode() for row in quals.reshape(-1, expected["cycles"])[: len(theirs)]]
    assert theirs == [(row.decode(), qual) for row, qual in zip(rows[: len(theirs)], qualities, strict=True)]
