"""Whose a read is, as Picard has it: of its own folders, and of folders that we write."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from baselake.api import Lake
from baselake.catalog.catalog import Catalog
from baselake.demo.run_folder import TileCalls
from tests.ingest.illumina.made_runs import random_tile, read_of
from tests.ingest.illumina.run_folders import FLOWCELL, write_folder
from tests.ingest.illumina.test_picard import Record, by_place, fastq_records, linked_run

UNKNOWN = "N"  # how Picard's file names begin where it is no sample's


def sheet(barcodes: list[str], columns: str, **settings: int) -> str:
    """A sheet in which samples are called after their barcodes, of 8 bases to an index."""
    lines = ["[Header]", "FileFormatVersion,2", "[BCLConvert_Settings]"]
    lines += [f"{name},{value}" for name, value in settings.items()]
    lines += ["[BCLConvert_Data]", f"Sample_ID,{columns}"]
    lines += [",".join([one, *(one[at : at + 8] for at in range(0, len(one), 8))]) for one in barcodes]
    return "\n".join(lines) + "\n"


def reads_of(lake: Lake, segment: int) -> dict[str, list[Record]]:
    """Records by sample, in no order."""
    rows = lake.sql(
        f"SELECT coalesce(sample_id, '{UNKNOWN}') AS sample, name, seq, qual FROM reads WHERE segment = {segment}"
    )
    found: dict[str, list[Record]] = {}
    for sample, *record in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        found.setdefault(sample, []).append((record[0], record[1], record[2]))
    return found


def test_samples_of_picards_cbcl_folder(catalog: Catalog, tmp_path: Path, shared_data: Path) -> None:
    data = shared_data / "run_folders" / "picard" / "151T8B8B151T_cbcl"
    indexes = (read_of(2, 8, indexed=True), read_of(3, 8, indexed=True))
    folder = linked_run(data, tmp_path / "run", (read_of(1, 151), *indexes, read_of(4, 151)), (1101, 1102))
    names = sorted(path.name.split(".")[0] for path in (data / "fastq").glob("*.1.fastq"))
    barcodes = [name for name in names if not name.startswith(UNKNOWN)]
    assert len(barcodes) == 4
    (folder.root / "SampleSheet.csv").write_text(sheet(barcodes, "index,index2"))
    lake = Lake(catalog)
    lake.ingest([folder.root], allow_missing=["positions", "checksums"], no_calls="picard")
    for segment in (1, 2):
        ours = reads_of(lake, segment)
        for name in names:
            theirs = fastq_records([data / "fastq" / f"{name}.{segment}.fastq"])
            mine = ours.pop(UNKNOWN if name.startswith(UNKNOWN) else name, [])
            # Its positions are not in the folder, so that names differ.
            assert sorted(record[1:] for record in mine) == sorted(record[1:] for record in theirs), name
        assert ours == {}


def test_samples_of_picards_bcl_folder(catalog: Catalog, tmp_path: Path, shared_data: Path) -> None:
    data = shared_data / "run_folders" / "picard" / "25T8B25T"
    reads = (read_of(1, 25), read_of(2, 8, indexed=True), read_of(3, 25))
    folder = linked_run(data, tmp_path / "run", reads, (1101, 1201, 2101))
    names = sorted(path.name.split(".")[0] for path in (data / "fastq").glob("*.1.fastq"))
    barcodes = [name for name in names if len(name) == 8 and set(name) <= set("ACGT")]
    assert len(barcodes) > 40
    # Some of them differ in one base only: Picard tells by the second best, and we by the whole index.
    (folder.root / "SampleSheet.csv").write_text(sheet(barcodes, "index", BarcodeMismatchesIndex1=0))
    lake = Lake(catalog)
    lake.ingest([folder.root], include_filtered=True, no_calls="picard")
    for segment in (1, 2):
        ours = reads_of(lake, segment)
        assert sum(map(len, ours.values())) == 180
        for barcode in barcodes:
            theirs = by_place(fastq_records([data / "fastq" / f"{barcode}.{segment}.fastq"]))
            read = fastq_records([data / "fastq" / f"{barcode}.barcode_1.fastq"])
            whole = {record[:2] for record, index in zip(theirs, read, strict=True) if index[1] == barcode}
            assert {record[:2] for record in by_place(ours.get(barcode, []))} == whole, barcode
            # The rest, with a base of the index read wrong, is of no sample by such a sheet.
            rest = {record[:2] for record in theirs} - whole
            assert rest <= {record[:2] for record in by_place(ours[UNKNOWN])}


READS = (read_of(1, 30), read_of(2, 8, indexed=True), read_of(3, 27))
BARCODES = ["ACGTACGT", "TTGCAATC", "GGATCCAA"]


def misread(tile: int) -> TileCalls:
    """A tile whose indexes have none to three bases wrong, and all bases called: of N the two think differently."""
    calls = random_tile(1, tile, 300, 65, seed=9)
    random = np.random.default_rng(tile)
    index = np.array([["ACGT".index(base) for base in barcode] for barcode in BARCODES], np.uint8)
    index = index[random.integers(0, len(BARCODES), 300)]
    for cluster, wrong in enumerate(random.integers(0, 4, 300)):
        places = random.choice(8, wrong, replace=False)
        index[cluster, places] = (index[cluster, places] + random.integers(1, 4, wrong)) % 4
    bases = calls.bases.copy()
    bases[:, 30:38] = index
    return replace(calls, bases=bases)


@pytest.mark.parametrize("kind", ["bcl.gz", "cbcl"])
@pytest.mark.parametrize("mismatches", [0, 1])
def test_samples_of_our_folders_are_picards(
    catalog: Catalog, tmp_path: Path, peer: Callable[[str], str], kind: str, mismatches: int
) -> None:
    # Picard's reader of CBCL knows no other file of positions than one for all tiles.
    tiles = [misread(1101)] if kind == "cbcl" else [misread(1101), misread(2101)]
    run = tmp_path / "run"
    write_folder(
        run, tiles, READS, kind=kind, sheet=sheet(BARCODES, "index", BarcodeMismatchesIndex1=mismatches)
    )  # type: ignore[arg-type]
    if kind == "cbcl":
        (run / "Data/Intensities/L001/s_1_1101.locs").rename(run / "Data/Intensities/s.locs")
    lines = ["OUTPUT_PREFIX\tBARCODE_1", f"{tmp_path}/{UNKNOWN}\tN"]
    lines += [f"{tmp_path}/{barcode}\t{barcode}" for barcode in BARCODES]
    (tmp_path / "multiplex.tsv").write_text("\n".join(lines) + "\n")
    subprocess.run(
        [
            peer("PicardCommandLine"),
            "IlluminaBasecallsToFastq",
            f"BASECALLS_DIR={run / 'Data/Intensities/BaseCalls'}",
            "LANE=1",
            "READ_STRUCTURE=30T8B27T",
            f"MULTIPLEX_PARAMS={tmp_path / 'multiplex.tsv'}",
            "MATCH_BARCODES_INLINE=true",
            f"MAX_MISMATCHES={mismatches}",
            "MIN_MISMATCH_DELTA=1",
            "MAX_NO_CALLS=0",
            "RUN_BARCODE=1",
            "MACHINE_NAME=BLSIM01",
            f"FLOWCELL_BARCODE={FLOWCELL}",
            "READ_NAME_FORMAT=CASAVA_1_8",
            "INCLUDE_NON_PF_READS=false",
            "APPLY_EAMSS_FILTER=false",
            "NUM_PROCESSORS=1",
            "QUIET=true",
            "VERBOSITY=ERROR",
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "JAVA_TOOL_OPTIONS": "-Xmx512m"},
    )
    lake = Lake(catalog)
    lake.ingest([run])
    for segment in (1, 2):
        ours = reads_of(lake, segment)
        for name in (*BARCODES, UNKNOWN):
            theirs = fastq_records([tmp_path / f"{name}.{segment}.fastq"])
            assert len(theirs) > 10
            assert sorted(ours[name]) == sorted(theirs), name
