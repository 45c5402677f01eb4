"""Barcodes counted again from stored reads are those of an import with that sheet in the first place."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from baselake.api import Lake, open_lake
from tests.ingest.illumina.run_folders import (
    DUAL,
    RUN,
    Layout,
    Sample,
    expected_reads,
    leftovers,
    sheet_of,
    stored_reads,
    stored_yields,
    tables,
    tile_of,
    write_folder,
)

BARCODES = ("ACGTACGTTTGCAATC", "TTGCAATCACGTACCA", "GGATCCAAGCGCTATA")
SAMPLES = [
    Sample(name=name, index1=barcode[:8], index2=barcode[8:])
    for name, barcode in zip(("NA1", "NA2", "NA3"), BARCODES, strict=True)
]
TILES = [tile_of(1, 1101, 150, DUAL, BARCODES), tile_of(1, 1102, 60, DUAL, BARCODES)]
SHORT = [replace(sample, index1=sample.index1[:6], index2=sample.index2[:7]) for sample in SAMPLES]
SINGLE = [replace(sample, index2="") for sample in SAMPLES]
OWN = [
    replace(sample, override=override, layout=layout)
    for sample, override, layout in zip(
        SAMPLES,
        ("Y21;I8;I8;Y17", "N3Y18;I8;I8;Y17", "Y10N11;I8;I8;N17"),
        (
            Layout(segments=((0, 21), (37, 17))),
            Layout(segments=((3, 18), (37, 17))),
            Layout(segments=((0, 10), (37, 0))),
        ),
        strict=True,
    )
]
OWN_SWAPPED = [replace(OWN[0], name="NA3"), OWN[1], replace(OWN[2], name="NA1")]
# From one sheet to another; None: no sheet.
CHANGES: dict[str, tuple[list[Sample] | None, list[Sample] | None]] = {
    "shorter indexes": (SAMPLES, SHORT),
    "longer indexes": (SHORT, SAMPLES),
    "one index only": (SAMPLES, SINGLE),
    "both indexes": (SINGLE, SAMPLES),
    "none, then shorter ones": (None, SHORT),
    "taken away": (SHORT, None),
    "cycles of each sample's own": (SAMPLES, OWN),
    "cycles of each sample's own, no longer": (OWN, SAMPLES),
    "cycles of each sample's own, swapped": (OWN, OWN_SWAPPED),
}
COUNTED = ("barcode_counts", "barcode_assignments", "lane_layouts", "read_groups")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("runs") / "run", TILES)


@pytest.fixture(scope="module")
def lakes(folder: Path, empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Lakes to copy, by the sheet with which the run was imported into them."""
    root = tmp_path_factory.mktemp("lakes")
    made = {}
    sheets = {"SAMPLES": SAMPLES, "SHORT": SHORT, "SINGLE": SINGLE, "OWN": OWN, "SWAPPED": OWN_SWAPPED}
    for name, samples in ({"None": None} | sheets).items():
        path = root / f"{name}.csv"
        if samples is not None:
            path.write_text(sheet_of(samples))
        made[name] = Path(shutil.copytree(empty_lake, root / name))
        with open_lake(made[name]) as lake:
            lake.ingest([folder], sample_sheet=path if samples is not None else None)
    return made


def lake_of(lakes: dict[str, Path], samples: list[Sample] | None) -> Path:
    if samples is None:
        return lakes["None"]
    names = {id(SAMPLES): "SAMPLES", id(SHORT): "SHORT", id(SINGLE): "SINGLE", id(OWN): "OWN"}
    return lakes[names.get(id(samples), "SWAPPED")]


def without_order(lake: Lake) -> dict[str, list[tuple[object, ...]]]:
    return tables(lake, *COUNTED)


@pytest.mark.parametrize("change", list(CHANGES))
def test_counts_are_those_of_an_import_with_that_sheet(
    lakes: dict[str, Path], tmp_path: Path, change: str
) -> None:
    old, new = CHANGES[change]
    sheet = tmp_path / "sheet.csv"
    if new is not None:
        sheet.write_text(sheet_of(new))
    with open_lake(shutil.copytree(lake_of(lakes, old), tmp_path / "lake")) as lake:
        lake.assign(RUN, sheet if new is not None else None)
        with open_lake(lake_of(lakes, new), read_only=True) as fresh:
            assert without_order(lake) == without_order(fresh)
        rows, yields = expected_reads(TILES, DUAL, new or [])
        assert stored_reads(lake) == rows
        assert stored_yields(lake) == yields
        assert leftovers(lake) == set()
