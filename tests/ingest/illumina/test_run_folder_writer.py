"""The writer of run folders: what it says of a run is what it was given, and it writes nothing it cannot."""

import gzip
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from baselake.demo.run_folder import RunLayout, write_run_folder
from baselake.ingest.illumina.run_info import Read, read_run_info
from baselake.ingest.illumina.run_parameters import read_run_parameters
from tests.ingest.illumina.made_runs import random_tile, read_of, write_run

TILES = [random_tile(1, 1101, 20, 20), random_tile(2, 2203, 30, 20)]


def test_the_run_is_described_as_it_was_given(tmp_path: Path) -> None:
    reads = (
        read_of(1, 12),
        Read(number=2, cycles=8, indexed=True, reverse_complement=True),
    )
    layout = RunLayout(
        run_id="260131_LH00001_0042_A<B>",
        number=42,
        instrument="LH00001",
        flowcell="A<B>",
        tiles=((1, 1101, 20), (2, 2203, 30)),
        reads=reads,
        instrument_type="NovaSeqXPlus",
    )
    write_run_folder(tmp_path, layout, TILES, sample_sheet="[Header]\n", threads=2)
    info = read_run_info(tmp_path / "RunInfo.xml")
    assert (info.run_id, info.number, info.instrument, info.flowcell) == (
        "260131_LH00001_0042_A<B>",
        42,
        "LH00001",
        "A<B>",
    )
    assert (info.reads, info.lanes, info.tiles) == (reads, 2, ((1, 1101), (2, 2203)))
    parameters = read_run_parameters(tmp_path)
    assert parameters is not None
    assert parameters.instrument_type == "NovaSeq X"
    assert (tmp_path / "SampleSheet.csv").read_text() == "[Header]\n"
    assert (tmp_path / "RTAComplete.txt").exists()
    assert (tmp_path / "CopyComplete.txt").exists()


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_is_written_by_any_number_of_threads(tmp_path: Path, threads: int) -> None:
    layout = RunLayout(run_id="run", tiles=((1, 1101, 20), (2, 2203, 30)), reads=(read_of(1, 20),))
    write_run_folder(tmp_path / "one", layout, TILES)
    write_run_folder(tmp_path / "other", layout, iter(TILES), threads=threads)
    files = [path for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert files
    for path in files:
        other = tmp_path / "other" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == other.read_bytes(), path


def test_bgzf_is_what_others_read(tmp_path: Path, peer: Callable[[str], str]) -> None:
    tiles = [random_tile(1, tile, 70_000, 1) for tile in (1101, 1102)]  # more than a block each
    folder = write_run(tmp_path, tiles, kind="bgzf")
    path = folder.calls_path(1, 1101, 1)
    copy = shutil.copy(path, tmp_path / "calls.gz")
    subprocess.run([peer("bgzip"), "--test", copy], check=True)
    assert len(gzip.decompress(path.read_bytes())) == 4 + 140_000


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    layout = RunLayout(run_id="run", tiles=((1, 1101, 20), (2, 2203, 30)), reads=(read_of(1, 20),))
    with pytest.raises(ValueError, match="lane 2, tile 2203 of 30 clusters is not the layout's next"):
        write_run_folder(tmp_path, layout, TILES[::-1])
    with pytest.raises(ValueError, match="were not given"):
        write_run_folder(tmp_path, layout, TILES[:1])
    with pytest.raises(ValueError, match="not the layout's next"):
        write_run_folder(tmp_path, replace(layout, reads=(read_of(1, 21),)), TILES)
    with pytest.raises(ValueError, match="lie elsewhere"):
        write_run_folder(tmp_path, replace(layout, positions="s.locs"), TILES)
    scattered = replace(TILES[0], x=TILES[0].x[::-1].copy(), y=TILES[0].y[::-1].copy())
    with pytest.raises(ValueError, match="do not ascend by bin"):
        write_run_folder(tmp_path, replace(layout, positions="clocs"), [scattered, TILES[1]])
    crowded = random_tile(1, 1101, 300, 20)
    crowded = replace(crowded, x=np.full(300, 1000, np.int32), y=np.full(300, 1000, np.int32))
    with pytest.raises(ValueError, match="more than 255"):
        write_run_folder(tmp_path, replace(layout, tiles=((1, 1101, 300),), positions="clocs"), [crowded])
