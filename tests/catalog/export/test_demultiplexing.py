"""Reports of a run in the files of Illumina's converters: what was written, what MultiQC reads of it."""

import csv
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from baselake.api import open_lake
from baselake.catalog.catalog import create
from baselake.catalog.export.demultiplexing import export_demultiplexing
from baselake.config import Config
from baselake.errors import NotFoundError
from tests.commands import baselake
from tests.ingest.illumina.run_folders import (
    DUAL,
    FLOWCELL,
    RUN,
    Sample,
    Yield,
    expected_reads,
    sheet_of,
    tile_of,
    write_folder,
)

BARCODES = ("ACGTACGTTTGCAATC", "TTGCAATCACGTACCA")
ALL = (("NA1", BARCODES[0]), ("NA2", BARCODES[1]), ("Nobody", "CCCCCCCCGGGGGGGG"))
SAMPLES = [Sample(name=name, index1=barcode[:8], index2=barcode[8:]) for name, barcode in ALL]
TILES = [tile_of(lane, 1101, clusters, DUAL, BARCODES) for lane, clusters in ((1, 203), (2, 99))]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Path:
    """A lake with one run, imported with its sheet."""
    root = tmp_path_factory.mktemp("reports")
    folder = write_folder(root / RUN, TILES, sheet=sheet_of(SAMPLES))
    create(root / "lake", config)
    with open_lake(root / "lake") as opened:
        opened.ingest([folder])
    return root / "lake"


@pytest.fixture(scope="module")
def reports(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "reports"
    with open_lake(lake, read_only=True) as opened:
        written = export_demultiplexing(opened.catalog, RUN, folder)
    assert sorted(written) == sorted(path for path in folder.rglob("*") if path.is_file())
    return folder


@pytest.fixture(scope="module")
def yields() -> dict[tuple[int, str | None], Yield]:
    found = expected_reads(TILES, DUAL, SAMPLES)[1]
    for lane in (1, 2):
        found.setdefault((lane, "Nobody"), Yield())
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def key(row: dict[str, str]) -> tuple[int, str | None]:
    return int(row["Lane"]), None if row["SampleID"] == "Undetermined" else row["SampleID"]


def test_samples_and_their_barcodes(reports: Path, yields: dict[tuple[int, str | None], Yield]) -> None:
    found = {key(row): row for row in rows(reports / "Reports" / "Demultiplex_Stats.csv")}
    assert set(found) == set(yields)
    for place, row in found.items():
        expected = yields[place]
        lane = sum(other.clusters for (number, _), other in yields.items() if number == place[0])
        assert int(row["# Reads"]) == expected.clusters
        assert float(row["% Reads"]) == pytest.approx(expected.clusters / lane, abs=1e-4)
        if place[1] is not None:
            counts = ("# Perfect Index Reads", "# One Mismatch Index Reads", "# Two Mismatch Index Reads")
            assert tuple(int(row[name]) for name in counts) == expected[1:4]
            barcode = dict(ALL)[place[1]]
            assert row["Index"] == f"{barcode[:8]}-{barcode[8:]}"
    assert found[1, "Nobody"]["# Reads"] == "0"  # a sample that gave nothing is said to have


def test_columns_that_bcl_convert_writes(reports: Path, shared_data: Path) -> None:
    theirs = (
        shared_data / "run_folders/samplesheets/bclconvert-3.6.3/single_bclconvert_run/Demultiplex_Stats.csv"
    )
    ours = rows(reports / "Reports" / "Demultiplex_Stats.csv")
    # Version 3.6 had qualities here, too; MultiQC adds them up where two files have them.
    moved = {"# of >= Q30 Bases (PF)", "Mean Quality Score (PF)"}
    assert set(rows(theirs)[0]) - moved <= set(ours[0])
    assert not moved.intersection(ours[0])


def test_qualities(reports: Path, yields: dict[tuple[int, str | None], Yield]) -> None:
    for row in rows(reports / "Reports" / "Quality_Metrics.csv"):
        expected = yields[key(row)]._asdict()
        for column, name in (("Yield", "yield"), ("YieldQ30", "q30"), ("QualityScoreSum", "quality_sum")):
            assert int(row[column]) == expected[f"{name}_{row['ReadNumber']}"]


def test_unknown_barcodes(reports: Path, lake: Path, yields: dict[tuple[int, str | None], Yield]) -> None:
    found = rows(reports / "Reports" / "Top_Unknown_Barcodes.csv")
    for lane in (1, 2):
        counts = [int(row["# Reads"]) for row in found if int(row["Lane"]) == lane]
        assert counts == sorted(counts, reverse=True)
        assert sum(counts) == yields[lane, None].clusters
    assert {len(row["index"] + row["index2"]) for row in found} == {16}


def test_stats_json_has_the_keys_of_a_real_one(
    reports: Path, shared_data: Path, yields: dict[tuple[int, str | None], Yield]
) -> None:
    ours = json.loads((reports / "Stats" / "Stats.json").read_text())
    (real,) = (shared_data / "run_folders/checkqc").rglob("Stats.json")
    assert shape(ours) == shape(json.loads(real.read_text()))
    assert (ours["Flowcell"], ours["RunId"], ours["RunNumber"]) == (FLOWCELL, RUN, 1)
    for lane in ours["ConversionResults"]:
        number = lane["LaneNumber"]
        assert lane["TotalClustersRaw"] == len(TILES[number - 1].passed)
        assert lane["TotalClustersPF"] == int(TILES[number - 1].passed.sum())
        for result in lane["DemuxResults"]:
            expected = yields[number, result["SampleId"]]
            assert result["NumberReads"] == expected.clusters
            assert result["Yield"] == expected.yield_1 + expected.yield_2
            assert [read["YieldQ30"] for read in result["ReadMetrics"]] == [expected.q30_1, expected.q30_2]
            assert {read["TrimmedBases"] for read in result["ReadMetrics"]} == {0}


def shape(value: Any) -> Any:
    """Keys and types of a JSON value, of the first of a list; names that are data left out."""
    if isinstance(value, dict):
        named = {
            name: shape(part) for name, part in value.items() if name not in ("Barcodes", "MismatchCounts")
        }
        return named | {name: "counts" for name in ("Barcodes", "MismatchCounts") if name in value}
    if isinstance(value, list):
        return [shape(value[0])]
    return type(value).__name__


@pytest.mark.skipif(find_spec("multiqc") is None, reason="multiqc is not installed")
def test_multiqc_reads_the_reports(
    reports: Path, tmp_path: Path, yields: dict[tuple[int, str | None], Yield]
) -> None:
    options = f"--no-ansi --no-report --data-dir --no-version-check -m bclconvert -m bcl2fastq -o {tmp_path}"
    command = [sys.executable, "-m", "multiqc", *options.split(), str(reports)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    parsed = json.loads((tmp_path / "multiqc_data" / "multiqc_data.json").read_text())[
        "report_saved_raw_data"
    ]
    convert, fastq = parsed["multiqc_bclconvert_bysample"], parsed["multiqc_bcl2fastq_bysample"]
    for sample in ("NA1", "NA2"):
        expected = yields[1, sample].plus(yields[2, sample])
        assert convert[sample]["clusters"] == fastq[sample]["total"] == expected.clusters
        assert convert[sample]["perfect_index_reads"] == fastq[sample]["perfectIndex"] == expected.perfect
        assert (
            convert[sample]["yield_"] == fastq[sample]["total_yield"] == expected.yield_1 + expected.yield_2
        )
        assert convert[sample]["yield_q30"] == fastq[sample]["yieldQ30"] == expected.q30_1 + expected.q30_2
        quality = (expected.quality_sum_1 + expected.quality_sum_2) / (expected.yield_1 + expected.yield_2)
        assert convert[sample]["mean_quality"] == pytest.approx(quality)
    lanes = parsed["multiqc_bclconvert_bylane"]
    assert set(lanes) == {f"{RUN} - L1", f"{RUN} - L2"}
    assert sum(lanes[f"{RUN} - L1"]["top_unknown_barcodes"].values()) == yields[1, None].clusters


def test_runs_that_have_no_report(lake: Path, tmp_path: Path) -> None:
    with open_lake(lake) as opened:
        with pytest.raises(NotFoundError, match="no run 'x'"):
            export_demultiplexing(opened.catalog, "x", tmp_path)
        with opened.catalog.record() as tx:
            tx.execute("INSERT INTO runs (run_id, state) VALUES ('reads', 'imported')")
        with pytest.raises(NotFoundError, match="came demultiplexed"):
            export_demultiplexing(opened.catalog, "reads", tmp_path)


def test_command_line(lake: Path, tmp_path: Path) -> None:
    listed = baselake(lake, "runs", "--format", "json").stdout
    assert RUN in [row["run_id"] for row in json.loads(listed)]
    shown = baselake(lake, "runs", "show", RUN).stdout
    assert "state            complete" in shown
    for word in ("lanes", "samples", "NA1", "Undetermined", "unknown barcodes", "kept files"):
        assert word in shown
    written = baselake(lake, "runs", "report", RUN, "-o", tmp_path / "r").stdout.splitlines()
    assert len(written) == 5
    assert all(Path(path).is_file() for path in written)
