"""Run folders written with known clusters come out of the lake read by read: names, calls, samples, yields."""

import errno
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pysam
import pytest

from baselake.api import Lake, open_lake
from baselake.catalog.catalog import Catalog
from baselake.demo.run_folder import Kind, TileCalls
from baselake.errors import ConflictError, InputError, StorageError
from baselake.ingest.illumina import convert
from baselake.ingest.illumina.lane_plan import reverse_complement
from baselake.ingest.illumina.run_files import RunFolder
from baselake.ingest.illumina.tile import Tile
from baselake.lake.parquet import TableWriter, storage_error
from tests.commands import start
from tests.ingest.illumina.made_runs import read_of
from tests.ingest.illumina.run_folders import (
    DUAL,
    RUN,
    Layout,
    Sample,
    digest_of,
    expected_reads,
    leftovers,
    run_row,
    sheet_of,
    stored_reads,
    stored_yields,
    tables,
    tile_of,
    write_folder,
)

KINDS: tuple[Kind, ...] = ("bcl", "bcl.gz", "bgzf", "cbcl")
BARCODES = ("ACGTACGTTTGCAATC", "TTGCAATCACGTACCA", "GGATCCAAGCGCTATA")
SAMPLES = [
    Sample(name=name, index1=barcode[:8], index2=barcode[8:])
    for name, barcode in zip(("NA1", "NA2", "NA3"), BARCODES, strict=True)
]
TILES = [
    tile_of(lane, tile, clusters, DUAL, BARCODES)
    for lane, tile, clusters in ((1, 1101, 203), (1, 2101, 64), (2, 1101, 99), (2, 2101, 1))
]


@pytest.fixture
def opened(catalog: Catalog) -> Lake:
    return Lake(catalog)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same clusters in every kind of folder."""
    root = tmp_path_factory.mktemp("runs")
    return {kind: write_folder(root / kind, TILES, kind=kind, sheet=sheet_of(SAMPLES)) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_folder_gives_what_was_written(
    opened: Lake, folders: dict[str, Path], kind: str
) -> None:
    before = digest_of(folders[kind])
    opened.ingest([folders[kind]])
    reads, yields = expected_reads(TILES, DUAL, SAMPLES)
    assert stored_reads(opened) == reads
    assert stored_yields(opened) == yields
    assert run_row(opened)[:2] == ("complete", None)
    assert digest_of(folders[kind]) == before
    assert leftovers(opened) == set()


@pytest.fixture(scope="module")
def imported(
    folders: dict[str, Path], empty_lake: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lake]:
    """A lake that has the run; to look at, not to change."""
    lake = shutil.copytree(empty_lake, tmp_path_factory.mktemp("imported") / "lake")
    with open_lake(lake) as opened:
        opened.ingest([folders["cbcl"]])
        yield opened


def test_rows_stand_by_tile_and_sample_and_segments_together(imported: Lake) -> None:
    # In the order of storage, which no ORDER BY gives: templates whole, a tile's samples as the sheet has them.
    rows = imported.catalog.query("SELECT name, segment, tile FROM read_records").to_pylist()
    assert [row["segment"] for row in rows] == [1, 2] * (len(rows) // 2)
    assert all(one["name"] == two["name"] for one, two in zip(rows[::2], rows[1::2], strict=True))
    reads, _ = expected_reads(TILES, DUAL, SAMPLES)
    sample_of = {row.name: row.sample_id for row in reads}
    place = {"NA1": 0, "NA2": 1, "NA3": 2, None: 3}
    for lane, tile in {(tile.lane, tile.tile) for tile in TILES}:
        names = imported.catalog.query(
            "SELECT name FROM read_records WHERE lane = ? AND tile = ?", [lane, tile]
        )["name"].to_pylist()
        order = [place[sample_of[name]] for name in names]
        assert order == sorted(order)


def test_exported_fastq_is_headed_as_bcl_convert_heads_it(imported: Lake, tmp_path: Path) -> None:
    written = imported.export_fastq(str(tmp_path / "R{segment}.fastq.gz"), "NA2")
    reads, _ = expected_reads(TILES, DUAL, SAMPLES)
    for segment, path in enumerate(written, 1):
        with pysam.FastxFile(str(path)) as file:
            seen = Counter((record.name, record.comment, record.sequence, record.quality) for record in file)
        assert seen == Counter(
            (row.name, f"{segment}:N:0:{row.index1_seq}+{row.index2_seq}", row.seq, row.qual)
            for row in reads
            if row.sample_id == "NA2" and row.segment == segment
        )


def test_what_lanes_and_unknown_barcodes_gave_adds_up(imported: Lake) -> None:
    _, yields = expected_reads(TILES, DUAL, SAMPLES)
    lanes = imported.sql(
        "SELECT lane, tiles, clusters, clusters_pf FROM lane_yields ORDER BY lane"
    ).to_pylist()
    for lane, row in enumerate(lanes, 1):
        here = [tile for tile in TILES if tile.lane == lane]
        assert row == {
            "lane": lane,
            "tiles": len(here),
            "clusters": sum(len(tile.passed) for tile in here),
            "clusters_pf": sum(int(tile.passed.sum()) for tile in here),
        }
    reads, _ = expected_reads(TILES, DUAL, SAMPLES)
    unknown = Counter(
        (row.lane, row.index1_seq, row.index2_seq)
        for row in reads
        if row.sample_id is None and row.segment == 1
    )
    seen = imported.sql("SELECT lane, index1_seq, index2_seq, clusters FROM unknown_barcodes").to_pylist()
    assert {tuple(row.values())[:3]: row["clusters"] for row in seen} == unknown
    assert sum(unknown.values()) == yields[1, None].clusters + yields[2, None].clusters


def test_importing_twice_changes_nothing(opened: Lake, folders: dict[str, Path], tmp_path: Path) -> None:
    opened.ingest([folders["bcl.gz"]])
    names = ("read_records", "barcode_counts", "barcode_assignments", "read_groups", "run_tiles", "lineage")
    before = tables(opened, *names, "sample_sheets")
    opened.ingest([folders["bcl.gz"]])
    # The same run under another path is the same run.
    elsewhere = shutil.copytree(folders["bcl.gz"], tmp_path / "elsewhere")
    opened.ingest([elsewhere])
    assert tables(opened, *names, "sample_sheets") == before
    assert opened.sql("SELECT folder FROM runs").to_pylist() == [{"folder": str(elsewhere)}]


@pytest.mark.parametrize("kind", ["bcl", "cbcl"])
def test_clusters_that_failed_the_filter_come_only_when_asked_for(
    opened: Lake, tmp_path: Path, kind: Kind
) -> None:
    reads = (read_of(1, 9), read_of(2, 8, indexed=True), read_of(3, 8, indexed=True))
    tiles = [tile_of(1, 1101, 80, reads, BARCODES)]
    folder = write_folder(tmp_path / "run", tiles, reads, kind=kind)
    opened.ingest([folder], include_filtered=True)
    rows, yields = expected_reads(tiles, reads, [], include_filtered=True)
    assert stored_reads(opened) == rows
    assert stored_yields(opened) == yields  # of those that passed


def test_a_run_without_its_failed_clusters_cannot_be_asked_for_them(
    opened: Lake, folders: dict[str, Path]
) -> None:
    with pytest.raises(InputError, match="did not pass the filter are not in the file of cycle 26"):
        opened.ingest([folders["cbcl"]], include_filtered=True)


INDEXINGS = {
    "dual": (8, 8),
    "single": (8,),
    "none": (),
}


@pytest.mark.parametrize("indexing", list(INDEXINGS))
def test_lanes_have_their_own_samples(opened: Lake, tmp_path: Path, indexing: str) -> None:
    lengths = INDEXINGS[indexing]
    reads = (
        read_of(1, 12),
        *(read_of(2 + place, length, indexed=True) for place, length in enumerate(lengths)),
    )
    used = sum(lengths)
    tiles = [tile_of(lane, 1101, 90, reads, [barcode[:used] for barcode in BARCODES]) for lane in (1, 2, 3)]
    if lengths:
        samples = [
            Sample(name=name, index1=barcode[:8], index2=barcode[8:used], lane=lane, mismatches=(2, 0))
            for name, barcode, lane in (
                ("A", BARCODES[0], 1),
                ("B", BARCODES[1], 1),
                ("A", BARCODES[2], 2),
                ("C", BARCODES[0], 2),
                ("D", BARCODES[1], 3),
                ("D", BARCODES[2], 3),  # a sample with two indexes in one lane
            )
        ]
    else:
        samples = [Sample(name="A", lane=1), Sample(name="B", lane=2)]
    opened.ingest([write_folder(tmp_path / "run", tiles, reads, sheet=sheet_of(samples))])
    rows, yields = expected_reads(tiles, reads, samples)
    assert stored_reads(opened) == rows
    assert stored_yields(opened) == yields
    groups = opened.sql("SELECT read_group_id FROM read_groups ORDER BY ALL")["read_group_id"].to_pylist()
    if indexing == "dual":
        assert groups == [
            "A.HBASELAKE.1",
            "A.HBASELAKE.2",
            "B.HBASELAKE.1",
            "C.HBASELAKE.2",
            "D.HBASELAKE.3.GGATCCAA+GCGCTATA",
            "D.HBASELAKE.3.TTGCAATC+ACGTACCA",
        ]
        exported = opened.export_fastq(str(tmp_path / "D.fastq"), "D")
        with pysam.FastxFile(str(exported[0])) as file:
            names = sorted(record.name for record in file)
        assert names == sorted(row.name for row in rows if row.sample_id == "D")


ADAPTER = "CTGTCTCTTATACACATCT"


def with_adapters(seed: int) -> list[TileCalls]:
    """Tiles in most of whose reads an adapter begins somewhere, in some of them with an error."""
    tiles = [
        tile_of(1, 1101, 150, DUAL, BARCODES, seed=seed),
        tile_of(1, 1102, 40, DUAL, BARCODES, seed=seed),
    ]
    letters = np.array(["ACGT".index(base) for base in ADAPTER], np.uint8)
    for tile in tiles:
        random = np.random.default_rng([seed, tile.tile])
        for cluster in range(len(tile.passed)):
            for begin, end in ((0, 21), (37, 54)):
                at = int(random.integers(begin, end + 6))
                bases = tile.bases[cluster, at:end]
                bases[: len(letters)] = letters[: len(bases)]
                if len(bases) and cluster % 4 == 0:
                    bases[random.integers(len(bases))] = random.integers(4)
    return tiles


# Of the 54 cycles of DUAL: the sheet's OverrideCycles and settings, and what they make of a cluster.
LAYOUTS: dict[str, tuple[dict[str, object], Layout]] = {
    "identifier in a read": (
        {"OverrideCycles": "U5Y16;I8;I8;N3Y14"},
        Layout(segments=((5, 16), (40, 14)), umi=((0, 5),)),
    ),
    "identifiers in both reads, kept in them": (
        {"OverrideCycles": "U5Y16;I8;I8;U3Y10N4", "TrimUMI": 0},
        Layout(segments=((0, 21), (37, 13)), umi=((0, 5), (37, 3))),
    ),
    "identifier in an index read": (
        {"OverrideCycles": "Y21;I8;U8;Y17"},
        Layout(segments=((0, 21), (37, 17)), umi=((29, 8),)),
    ),
    "a read not kept": (
        {"OverrideCycles": "N1Y19N1;I8;I8;N17"},
        Layout(segments=((1, 19), (37, 0))),
    ),
    "the first read not kept": (
        {"OverrideCycles": "N21;I8;I8;Y17"},
        Layout(segments=((0, 0), (37, 17))),
    ),
    "adapters trimmed": (
        {"AdapterRead1": ADAPTER, "AdapterRead2": ADAPTER},
        Layout(segments=((0, 21), (37, 17)), adapter=ADAPTER, minimum=17, mask_short=17),
    ),
    "adapters trimmed to lengths": (
        {
            "AdapterRead1": ADAPTER,
            "AdapterRead2": ADAPTER,
            "MinimumTrimmedReadLength": 9,
            "MaskShortReads": 4,
            "OverrideCycles": "N2Y19;I8;I8;Y17",
        },
        Layout(segments=((2, 19), (37, 17)), adapter=ADAPTER, minimum=9, mask_short=4),
    ),
    "adapters masked": (
        {
            "AdapterRead1": ADAPTER,
            "AdapterRead2": ADAPTER,
            "AdapterBehavior": "mask",
            "MinimumTrimmedReadLength": 0,
            "MaskShortReads": 6,
            "OverrideCycles": "U4Y17;I8;I8;Y17",
        },
        Layout(segments=((4, 17), (37, 17)), umi=((0, 4),), adapter=ADAPTER, behavior="mask", mask_short=6),
    ),
}


@pytest.mark.parametrize("case", list(LAYOUTS))
def test_reads_are_cut_as_the_sheet_wants_them(opened: Lake, tmp_path: Path, case: str) -> None:
    settings, layout = LAYOUTS[case]
    tiles = with_adapters(3)
    samples = [replace(sample, layout=layout) for sample in SAMPLES]
    if "U8" in str(settings.get("OverrideCycles")):
        samples = [replace(sample, index2="") for sample in samples]
    folder = write_folder(tmp_path / "run", tiles, sheet=sheet_of(samples, **settings))
    opened.ingest([folder])
    # Adapters are a matter of samples: what is no sample's is stored with them, and shown so.
    rows, yields = expected_reads(tiles, DUAL, samples, replace(layout, adapter=""))
    assert stored_reads(opened) == rows
    assert stored_yields(opened) == yields
    # Export cuts by other SQL than the view.
    exported = opened.export_fastq(str(tmp_path / "NA1_R{segment}.fastq"), "NA1")
    seen = Counter()
    for path in exported:
        with pysam.FastxFile(str(path)) as file:
            seen += Counter((record.name, record.sequence or "", record.quality or "") for record in file)
    named = Counter(
        (row.name + (f":{row.umi}" if row.umi else ""), row.seq, row.qual)
        for row in rows
        if row.sample_id == "NA1"
    )
    assert seen == named


def test_samples_of_a_lane_may_keep_different_cycles(opened: Lake, tmp_path: Path) -> None:
    layouts = {
        "U5Y16;I8;I8;N3Y14": Layout(segments=((5, 16), (40, 14)), umi=((0, 5),)),
        "Y10N11;I8;N8;Y17": Layout(segments=((0, 10), (37, 17))),
        "Y21;I6N2;I8;U2Y15": Layout(segments=((0, 21), (39, 15)), umi=((37, 2),)),
    }
    samples = [
        replace(sample, override=override, layout=layout)
        for sample, (override, layout) in zip(SAMPLES, layouts.items(), strict=True)
    ]
    samples[1] = replace(samples[1], index2="")
    samples[2] = replace(samples[2], index1=samples[2].index1[:6])
    tiles = TILES[:2]
    opened.ingest([write_folder(tmp_path / "run", tiles, sheet=sheet_of(samples))])
    rows, yields = expected_reads(tiles, DUAL, samples)
    assert stored_reads(opened) == rows
    assert stored_yields(opened) == yields


# ---------------------------------------------------------------------------------------------------------
# What goes wrong.


def test_a_killed_import_is_taken_up_at_the_tile_it_had_come_to(lake: Path, tmp_path: Path) -> None:
    tiles = [tile_of(lane, 1100 + tile, 150, DUAL, BARCODES) for lane in (1, 2) for tile in range(1, 6)]
    folder = write_folder(tmp_path / "run", tiles, sheet=sheet_of(SAMPLES))
    for files in (2, 6):
        process = start(lake, "ingest", folder)
        # As soon as there is a tile's file, finished or not, committed or not.
        while process.poll() is None and len(list(lake.glob("data/main/read_records/*/*/*"))) < files:
            time.sleep(0.005)
        assert process.poll() is None
        process.kill()
        process.communicate()
    with open_lake(lake) as opened:
        done = opened.sql("SELECT lane, tile FROM run_tiles").to_pylist()
        assert 0 < len(done) < len(tiles)
        there = {(row["lane"], row["tile"]) for row in done}
        some, _ = expected_reads([tile for tile in tiles if (tile.lane, tile.tile) in there], DUAL, SAMPLES)
        assert stored_reads(opened) == some
        assert run_row(opened)[0] == "ingesting"
        opened.ingest([folder])
        reads, yields = expected_reads(tiles, DUAL, SAMPLES)
        assert stored_reads(opened) == reads
        assert stored_yields(opened) == yields
        assert run_row(opened)[0] == "complete"
        assert leftovers(opened) == set()


def test_an_index_the_wrong_way_round_stops_the_run(opened: Lake, tmp_path: Path) -> None:
    tiles = [tile_of(1, 1101, 1500, DUAL, BARCODES), tile_of(1, 1102, 1500, DUAL, BARCODES)]
    wrong = [replace(sample, index2=reverse_complement(sample.index2)) for sample in SAMPLES]
    folder = write_folder(tmp_path / "run", tiles, sheet=sheet_of(wrong))
    with pytest.raises(InputError) as raised:
        opened.ingest([folder])
    assert "% of" in raised.value.what
    assert "index2 was reverse-complemented" in raised.value.what
    assert raised.value.where == str(folder / "SampleSheet.csv")
    assert "reverse complement into the column index2" in raised.value.remedy
    assert stored_reads(opened) == []
    assert tables(opened, "run_tiles", "barcode_counts", "barcode_assignments") == {
        "run_tiles": [],
        "barcode_counts": [],
        "barcode_assignments": [],
    }
    state, error, _ = run_row(opened)
    assert (state, error) == ("quarantined", str(raised.value))
    (folder / "SampleSheet.csv").write_text(sheet_of(SAMPLES))
    opened.ingest([folder])
    reads, yields = expected_reads(tiles, DUAL, SAMPLES)
    assert stored_reads(opened) == reads
    assert stored_yields(opened) == yields
    assert run_row(opened) == ("complete", None, 0)


def test_a_lane_whose_first_tile_is_small_is_looked_at_too(opened: Lake, tmp_path: Path) -> None:
    tiles = [tile_of(1, 1101, 40, DUAL, BARCODES), tile_of(1, 1102, 1500, DUAL, BARCODES)]
    wrong = [replace(sample, index2=reverse_complement(sample.index2)) for sample in SAMPLES]
    folder = write_folder(tmp_path / "run", tiles, sheet=sheet_of(wrong))
    with pytest.raises(InputError, match="index2 was reverse-complemented"):
        opened.ingest([folder])


def test_tiles_too_small_to_tell_are_looked_at_together(opened: Lake, tmp_path: Path) -> None:
    tiles = [tile_of(1, number, 50, DUAL, BARCODES) for number in range(1101, 1110)]
    wrong = [replace(sample, index2=reverse_complement(sample.index2)) for sample in SAMPLES]
    folder = write_folder(tmp_path / "run", tiles, sheet=sheet_of(wrong))
    with pytest.raises(InputError, match="index2 was reverse-complemented"):
        opened.ingest([folder])
    # Those that had to be seen, and one that was under way.
    assert opened.sql("SELECT * FROM run_tiles").num_rows <= 3


def test_another_run_of_the_same_name_is_refused(
    opened: Lake, folders: dict[str, Path], tmp_path: Path
) -> None:
    opened.ingest([folders["bcl"]])
    names = ("read_records", "run_tiles", "runs", "read_groups")
    before = tables(opened, *names)
    other = write_folder(tmp_path / "run", TILES[:1], sheet=sheet_of(SAMPLES))
    with pytest.raises(ConflictError, match=f"another run named {RUN}") as raised:
        opened.ingest([other])
    assert raised.value.where == str(other)
    assert tables(opened, *names) == before


def test_reads_that_were_imported_as_fastq_do_not_come_again(
    opened: Lake, imported: Lake, folders: dict[str, Path], tmp_path: Path
) -> None:
    fastq = imported.export_fastq(str(tmp_path / "NA1_R{segment}.fastq"), "NA1")
    opened.ingest(fastq, sample="NA1")
    before = tables(opened, "read_records")
    with pytest.raises(ConflictError, match="in the lake already") as raised:
        opened.ingest([folders["cbcl"]])
    assert "NA1.HBASELAKE.1" in raised.value.where
    assert tables(opened, "read_records") == before
    assert run_row(opened)[0] == "quarantined"


def test_a_full_disk_leaves_nothing_half_visible(
    opened: Lake, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    close = TableWriter.close

    def full(self: TableWriter) -> object:
        nonlocal written
        written += 1
        if written > 3:  # reads and barcodes of the first tile, reads of another
            raise storage_error(OSError(errno.ENOSPC, "No space left on device"), self._path)
        return close(self)

    with monkeypatch.context() as patch, pytest.raises(StorageError, match="No space left"):
        patch.setattr(TableWriter, "close", full)
        opened.ingest([folders["cbcl"]])
    assert run_row(opened)[0] == "ingesting"
    there = {(row["lane"], row["tile"]) for row in opened.sql("SELECT lane, tile FROM run_tiles").to_pylist()}
    assert len(there) <= 1
    some, _ = expected_reads([tile for tile in TILES if (tile.lane, tile.tile) in there], DUAL, SAMPLES)
    assert stored_reads(opened) == some
    assert leftovers(opened) == set()
    opened.ingest([folders["cbcl"]])
    assert stored_reads(opened) == expected_reads(TILES, DUAL, SAMPLES)[0]


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_share_that_fails_midway_is_no_fault_of_the_run(
    opened: Lake, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    read_tile = convert.read_tile

    def gone(folder: RunFolder, lane: int, tile: int, **options: object) -> Tile:
        if lane == 2:
            raise OSError(number, os.strerror(number), str(folder.filter_path(lane, tile)))
        return read_tile(folder, lane, tile, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(StorageError) as raised:
        patch.setattr(convert, "read_tile", gone)
        opened.ingest([folders["bcl"]])
    assert os.strerror(number) in str(raised.value)
    assert raised.value.where.endswith(".filter")
    assert run_row(opened) == ("ingesting", None, 0)
    opened.ingest([folders["bcl"]])
    assert stored_reads(opened) == expected_reads(TILES, DUAL, SAMPLES)[0]
    assert run_row(opened)[0] == "complete"


def test_a_folder_that_is_deleted_midway_is_not_many_missing_files(
    opened: Lake, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(folders["bcl"], tmp_path / "run")
    read_tile = convert.read_tile

    def deleting(source: RunFolder, lane: int, tile: int, **options: object) -> Tile:
        if lane == 2:
            shutil.rmtree(folder, ignore_errors=True)
        return read_tile(source, lane, tile, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(StorageError, match="run folder is gone"):
        patch.setattr(convert, "read_tile", deleting)
        opened.ingest([folder])
    assert run_row(opened) == ("ingesting", None, 0)
    shutil.copytree(folders["bcl"], folder)
    opened.ingest([folder])
    assert stored_reads(opened) == expected_reads(TILES, DUAL, SAMPLES)[0]
