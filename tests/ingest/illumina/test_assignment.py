"""A sheet that comes late, is corrected or is taken away: the reads stay, whose they are changes, and history tells."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from baselake.api import Lake, open_lake
from baselake.catalog.catalog import Catalog
from baselake.errors import ConflictError, InputError, NotFoundError
from tests.ingest.illumina.run_folders import (
    DUAL,
    RUN,
    Layout,
    Sample,
    by_sample,
    expected_reads,
    leftovers,
    run_row,
    sheet_of,
    stored_reads,
    stored_yields,
    tables,
    tile_of,
    whole,
    write_folder,
)

BARCODES = ("ACGTACGTTTGCAATC", "TTGCAATCACGTACCA", "GGATCCAAGCGCTATA")
SAMPLES = [
    Sample(name=name, index1=barcode[:8], index2=barcode[8:])
    for name, barcode in zip(("NA1", "NA2", "NA3"), BARCODES, strict=True)
]
SWAPPED = [replace(SAMPLES[0], name="NA2"), replace(SAMPLES[1], name="NA1"), SAMPLES[2]]
TILES = [tile_of(lane, 1101, 120, DUAL, BARCODES) for lane in (1, 2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder without a sheet."""
    return write_folder(tmp_path_factory.mktemp("runs") / "run", TILES)


@pytest.fixture(scope="module")
def unassigned(folder: Path, empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake that has the run, imported without a sheet; to copy."""
    path = Path(shutil.copytree(empty_lake, tmp_path_factory.mktemp("unassigned") / "lake"))
    with open_lake(path) as lake:
        lake.ingest([folder])
    return path


@pytest.fixture
def late(unassigned: Path, tmp_path: Path) -> Iterator[Lake]:
    """A lake of one's own with the run, imported without a sheet."""
    with open_lake(shutil.copytree(unassigned, tmp_path / "lake")) as lake:
        yield lake


def sheet(tmp_path: Path, samples: list[Sample], name: str = "sheet.csv", **settings: object) -> Path:
    path = tmp_path / name
    path.write_text(sheet_of(samples, **settings))
    return path


def snapshot(lake: Lake) -> int:
    """The newest snapshot of the lake."""
    number = lake.sql("SELECT max(snapshot_id) AS n FROM ducklake_snapshots('lake')")["n"][0].as_py()
    assert isinstance(number, int)
    return number


def check(lake: Lake, samples: list[Sample], default: Layout | None = None) -> None:
    """The lake shows the run as these samples have it, each tile once."""
    rows, yields = expected_reads(TILES, DUAL, samples, default)
    assert stored_reads(lake) == rows
    assert stored_yields(lake) == yields
    assert len(lake.sql("SELECT * FROM run_tiles")) == len(TILES)
    assert run_row(lake) == ("complete", None, 0)


def test_without_a_sheet_no_read_is_of_any_sample(late: Lake) -> None:
    check(late, [])
    assert by_sample(stored_reads(late)).keys() == {None}


def test_a_late_sheet_needs_neither_the_folder_nor_the_tiles_again(late: Lake, tmp_path: Path) -> None:
    before = tables(late, "read_records", "run_tiles", "barcode_counts")
    late.sql("UPDATE runs SET folder = '/gone'")
    late.assign(RUN, sheet(tmp_path, SAMPLES))
    check(late, SAMPLES)
    assert tables(late, "read_records", "run_tiles") == {
        name: before[name] for name in ("read_records", "run_tiles")
    }
    assert by_sample(stored_reads(late))["NA1"] > 0
    assert late.sql("SELECT DISTINCT sample_id FROM samples ORDER BY ALL")["sample_id"].to_pylist() == [
        "NA1",
        "NA2",
        "NA3",
    ]


def test_the_old_assignment_is_seen_in_its_snapshot(late: Lake, tmp_path: Path) -> None:
    late.assign(RUN, sheet(tmp_path, SAMPLES, "first.csv"))
    old = snapshot(late)
    late.assign(RUN, sheet(tmp_path, SWAPPED, "second.csv"))
    check(late, SWAPPED)
    with open_lake(late.catalog.layout.root, at=old) as then:
        check(then, SAMPLES)
    group = late.sql(f"SELECT read_group_id FROM barcode_assignments AT (VERSION => {old}) ORDER BY ALL")
    assert group["read_group_id"][0].as_py() == "NA1.HBASELAKE.1"
    history = late.sql("SELECT path FROM sample_sheets ORDER BY received")["path"].to_pylist()
    assert [Path(path).name for path in history] == ["first.csv", "second.csv"]


def test_a_sheet_that_is_taken_away_leaves_the_reads(late: Lake, tmp_path: Path) -> None:
    late.assign(RUN, sheet(tmp_path, SAMPLES))
    late.assign(RUN, None)
    check(late, [])
    assert tables(late, "read_groups", "barcode_assignments") == {
        "read_groups": [],
        "barcode_assignments": [],
    }
    assert late.sql("SELECT sample_sheet FROM runs")["sample_sheet"].to_pylist() == [None]
    late.assign(RUN, sheet(tmp_path, SAMPLES))
    check(late, SAMPLES)


def test_a_late_sheet_beside_the_run_is_taken_by_importing_again(
    late: Lake, folder: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "run"))
    (copy / "SampleSheet.csv").write_text(sheet_of(SAMPLES))
    tiles = tables(late, "run_tiles")
    late.ingest([copy])
    check(late, SAMPLES)
    assert tables(late, "run_tiles") == tiles


def test_importing_again_does_not_take_a_correction_back(late: Lake, folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "run"))
    (copy / "SampleSheet.csv").write_text(sheet_of(SAMPLES))
    late.ingest([copy])
    late.assign(RUN, sheet(tmp_path, SWAPPED))
    late.ingest([copy])
    check(late, SWAPPED)
    # Unless the sheet in the folder is written again: then it is the latest.
    (copy / "SampleSheet.csv").write_text(sheet_of(SAMPLES))
    late.ingest([copy])
    check(late, SAMPLES)
    # One that is given is always meant.
    late.ingest([copy], sample_sheet=tmp_path / "sheet.csv")
    check(late, SWAPPED)


# ---------------------------------------------------------------------------------------------------------
# What was made of the reads.


def with_calls(lake: Lake, samples: tuple[str, ...] = ("NA1", "NA2", "NA3")) -> None:
    """Alignments and a genotype of each sample, and an alignment of each from another run."""
    groups = lake.sql("SELECT read_group_id, sample_id, lane FROM read_groups").to_pylist()
    groups += [{"read_group_id": f"{sample}.other", "sample_id": sample} for sample in samples]
    with lake.catalog.job("align") as job, job.commit() as tx:
        rows = [
            {"reference": "ref", "contig": "chr1", "start": 1, "name": "r", "flag": 0}
            | {key: group[key] for key in ("sample_id", "read_group_id")}
            for group in groups
        ]
        tx.insert("alignments", pa.Table.from_pylist(rows))
        calls = [
            {"reference": "ref", "contig": "chr1", "start": 1, "variant_id": "v", "sample_id": sample}
            for sample in samples
        ]
        tx.insert("genotypes", pa.Table.from_pylist(calls))
        measures = pa.table({"sample_id": samples, "reference": ["ref"] * len(samples)})
        tx.insert("sample_qc", measures)
        tx.insert("coverage_windows", measures)


def derived(lake: Lake) -> tuple[list[str], list[str]]:
    """Read groups with alignments, and samples with genotypes, who are those with measures."""
    aligned = lake.sql("SELECT DISTINCT read_group_id FROM alignments ORDER BY ALL")
    called = lake.sql("SELECT DISTINCT sample_id FROM genotypes ORDER BY ALL")
    for table in ("sample_qc", "coverage_windows"):
        assert lake.sql(f"SELECT DISTINCT sample_id FROM {table} ORDER BY ALL") == called
    return aligned["read_group_id"].to_pylist(), called["sample_id"].to_pylist()


def test_what_was_made_of_changed_reads_is_gone_and_the_rest_stays(late: Lake, tmp_path: Path) -> None:
    late.assign(RUN, sheet(tmp_path, SAMPLES))
    with_calls(late)
    before = derived(late)
    old = snapshot(late)
    late.assign(RUN, sheet(tmp_path, SWAPPED, "swapped.csv"))
    others = ["NA1.other", "NA2.other", "NA3.other"]
    assert derived(late) == ([*others[:2], "NA3.HBASELAKE.1", "NA3.HBASELAKE.2", others[2]], ["NA3"])
    with open_lake(late.catalog.layout.root, at=old) as then:
        assert derived(then) == before


def test_a_sheet_that_says_the_same_in_other_words_changes_nothing_derived(
    late: Lake, tmp_path: Path
) -> None:
    late.assign(RUN, sheet(tmp_path, SAMPLES))
    with_calls(late)
    before = derived(late)
    late.assign(RUN, sheet(tmp_path, SAMPLES[::-1], "reversed.csv"))
    assert derived(late) == before


def test_reads_that_are_cut_otherwise_are_changed_reads(late: Lake, tmp_path: Path) -> None:
    late.assign(RUN, sheet(tmp_path, SAMPLES))
    with_calls(late)
    late.assign(RUN, sheet(tmp_path, SAMPLES, "cut.csv", OverrideCycles="Y20N1;I8;I8;Y17"))
    assert derived(late) == (["NA1.other", "NA2.other", "NA3.other"], [])
    layout = Layout(segments=((0, 20), (37, 17)))
    check(late, [replace(sample, layout=layout) for sample in SAMPLES], layout)


# ---------------------------------------------------------------------------------------------------------
# Sheets for which base calls have to be read again.

UMI = {"OverrideCycles": "U5Y16;I8;I8;Y17"}
WITH_UMI = Layout(segments=((5, 16), (37, 17)), umi=((0, 5),))


def test_a_sheet_that_wants_identifiers_sends_to_the_folder(late: Lake, tmp_path: Path) -> None:
    wanted = sheet(tmp_path, SAMPLES, **UMI)
    before = tables(late, "read_records", "runs", "barcode_assignments")
    with pytest.raises(ConflictError, match="molecular identifiers or adapters") as raised:
        late.assign(RUN, wanted)
    assert raised.value.where == str(wanted)
    assert "Import the run's folder again" in raised.value.remedy
    assert tables(late, "read_records", "runs", "barcode_assignments") == before


def test_a_sheet_that_wants_identifiers_has_tiles_replaced(late: Lake, folder: Path, tmp_path: Path) -> None:
    late.assign(RUN, sheet(tmp_path, SAMPLES))
    with_calls(late)
    old = snapshot(late)
    late.ingest([folder], sample_sheet=sheet(tmp_path, SAMPLES, "umi.csv", **UMI))
    check(late, [replace(sample, layout=WITH_UMI) for sample in SAMPLES], WITH_UMI)
    assert derived(late) == (["NA1.other", "NA2.other", "NA3.other"], [])
    assert leftovers(late) == set()
    with open_lake(late.catalog.layout.root, at=old) as then:
        check(then, SAMPLES)


def test_only_lanes_that_need_it_are_read_again(late: Lake, folder: Path, tmp_path: Path) -> None:
    adapter = "ACGT"
    plain = [replace(sample, lane=lane) for lane in (1, 2) for sample in SAMPLES]
    layout = Layout(segments=((0, 21), (37, 17)), adapter=adapter, minimum=2, mask_short=1)
    trimmed = [replace(sample, layout=layout) if sample.lane == 2 else sample for sample in plain]
    late.assign(RUN, sheet(tmp_path, plain))
    jobs = {row["lane"]: row["job_id"] for row in late.sql("SELECT lane, job_id FROM run_tiles").to_pylist()}
    text = sheet_of(plain, MinimumTrimmedReadLength=2, MaskShortReads=1).splitlines()
    at = next(number for number, line in enumerate(text) if line.startswith("Lane,"))
    lines = [
        *text[:at],
        f"{text[at]},AdapterRead1,AdapterRead2",
        *(f"{line},{adapter},{adapter}" if line.startswith("2,") else f"{line},," for line in text[at + 1 :]),
    ]
    wanted = tmp_path / "adapters.csv"
    wanted.write_text("\n".join(lines) + "\n")
    late.ingest([folder], sample_sheet=wanted)
    check(late, trimmed)
    now = {row["lane"]: row["job_id"] for row in late.sql("SELECT lane, job_id FROM run_tiles").to_pylist()}
    assert now[1] == jobs[1]
    assert now[2] != jobs[2]


# ---------------------------------------------------------------------------------------------------------
# Sheets that are refused.


def test_a_sheet_the_wrong_way_round_is_refused_by_the_counts(catalog: Catalog, tmp_path: Path) -> None:
    lake = Lake(catalog)
    lake.ingest([write_folder(tmp_path / "run", [tile_of(1, 1101, 1500, DUAL, BARCODES)])])
    complement = str.maketrans("ACGT", "TGCA")
    wrong = [replace(sample, index1=sample.index1.translate(complement)[::-1]) for sample in SAMPLES]
    # Of the three, one is its own reverse complement.
    wrong = wrong[1:]
    before = tables(lake, "barcode_assignments", "read_groups", "runs", "sample_sheets")
    with pytest.raises(InputError, match="if index was reverse-complemented"):
        lake.assign(RUN, sheet(tmp_path, wrong))
    assert tables(lake, "barcode_assignments", "read_groups", "runs", "sample_sheets") == before


def test_a_sheet_that_cannot_be_is_refused_before_anything_changes(late: Lake, tmp_path: Path) -> None:
    before = tables(late, "barcode_assignments", "read_groups", "runs", "sample_sheets")
    with pytest.raises(InputError, match="have the same index"):
        late.assign(RUN, sheet(tmp_path, [SAMPLES[0], replace(SAMPLES[0], name="NA9")]))
    with pytest.raises(NotFoundError, match="no run of that name"):
        late.assign("another", sheet(tmp_path, SAMPLES))
    with pytest.raises(NotFoundError, match="no such file"):
        late.assign(RUN, tmp_path / "absent.csv")
    assert tables(late, "barcode_assignments", "read_groups", "runs", "sample_sheets") == before


def test_the_default_layout_is_all_of_the_template() -> None:
    assert whole(DUAL) == Layout(segments=((0, 21), (37, 17)))
