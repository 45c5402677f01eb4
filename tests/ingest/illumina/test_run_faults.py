"""A fault of a file costs the tiles it holds: it is named, the rest goes in, and mending the file completes the run."""

import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from baselake.api import Lake
from baselake.catalog.catalog import Catalog
from baselake.catalog.locks import held_lock
from baselake.demo.run_folder import Kind
from baselake.errors import (
    BaselakeError,
    InputError,
    LakeError,
    NotFoundError,
    StorageError,
    TruncatedInputError,
)
from baselake.ingest.illumina import source
from baselake.ingest.illumina.source import IlluminaRun
from baselake.ingest.run_records import UNREADABLE, find_run, record_run
from baselake.ingest.run_source import RunOptions
from baselake.progress import QUIET
from tests.ingest.illumina.run_folders import (
    DUAL,
    RUN,
    Sample,
    expected_reads,
    faults,
    leftovers,
    run_row,
    sheet_of,
    stored_reads,
    stored_yields,
    tile_of,
    write_folder,
)

BARCODES = ("ACGTACGTTTGCAATC", "TTGCAATCACGTACCA", "GGATCCAAGCGCTATA")
SAMPLES = [
    Sample(name=name, index1=barcode[:8], index2=barcode[8:])
    for name, barcode in zip(("NA1", "NA2", "NA3"), BARCODES, strict=True)
]
PLACES = ((1, 1101), (1, 2101), (2, 1101))
TILES = {place: tile_of(*place, 67 - 7 * number, DUAL, BARCODES) for number, place in enumerate(PLACES)}
CALLS = "Data/Intensities/BaseCalls"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("runs")
    kinds: tuple[Kind, ...] = ("bcl", "bcl.gz", "bgzf", "cbcl")
    return {
        kind: write_folder(root / kind, list(TILES.values()), kind=kind, sheet=sheet_of(SAMPLES))
        for kind in kinds
    }


def shorten(path: Path, count: int = 9) -> None:
    path.write_bytes(path.read_bytes()[:-count])


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def overwrite(offset: int, content: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[:offset] + content + data[offset + len(content) :])

    return damage


def drop_clusters(path: Path) -> None:
    """A filter file that is sound and of fewer clusters."""
    data = path.read_bytes()
    count = struct.unpack_from("<I", data, 8)[0] - 5
    path.write_bytes(data[:8] + struct.pack("<I", count) + data[12:-5])


Fault = tuple[str, int | None, int | None, int | None]


class Case(NamedTuple):
    """A damage to a file of a folder, the faults that must be told of it, and words of the first."""

    kind: str
    path: str
    damage: Callable[[Path], None]
    faults: list[Fault]
    says: str


def of_tile(name: str, tile: int = 1101, cycle: int | None = None) -> list[Fault]:
    return [(name, 1, tile, cycle)]


CASES = {
    "truncated bcl": Case(
        "bcl",
        f"{CALLS}/L001/C7.1/s_1_1101.bcl",
        shorten,
        of_tile("s_1_1101.bcl", cycle=7),
        "62 bytes where 71",
    ),
    "truncated bcl.gz": Case(
        "bcl.gz",
        f"{CALLS}/L001/C7.1/s_1_1101.bcl.gz",
        shorten,
        of_tile("s_1_1101.bcl.gz", cycle=7),
        "its content is cut off: ",
    ),
    "truncated cbcl": Case(
        "cbcl",
        f"{CALLS}/L001/C7.1/L001_2.cbcl",
        shorten,
        of_tile("L001_2.cbcl", tile=2101, cycle=7),
        "bytes",
    ),
    "a cbcl file of another version": Case(
        "cbcl",
        f"{CALLS}/L001/C7.1/L001_2.cbcl",
        overwrite(0, b"\x09\x00"),
        of_tile("L001_2.cbcl", tile=2101, cycle=7),
        "version",
    ),
    "a cbcl tile that does not inflate": Case(
        "cbcl",
        f"{CALLS}/L001/C30.1/L001_2.cbcl",
        overwrite(80, bytes(8)),
        of_tile("L001_2.cbcl", tile=2101, cycle=30),
        "2101",
    ),
    "truncated bgzf": Case(
        "bgzf",
        f"{CALLS}/L002/0007.bcl.bgzf",
        lambda path: shorten(path, 40),
        [("0007.bcl.bgzf", 2, 1101, 7)],
        "",
    ),
    "a lane's index is missing": Case(
        "bgzf", f"{CALLS}/L002/s_2.bci", remove, [("s_2.bci", 2, 1101, None)], "missing"
    ),
    "a lane's index cut off": Case(
        "bgzf", f"{CALLS}/L002/s_2.bci", lambda path: shorten(path, 3), [("s_2.bci", 2, 1101, None)], ""
    ),
    "a filter of another version": Case(
        "bcl", f"{CALLS}/L001/s_1_1101.filter", overwrite(4, b"\x07"), of_tile("s_1_1101.filter"), "version"
    ),
    "a truncated filter": Case(
        "cbcl", f"{CALLS}/L001/s_1_1101.filter", shorten, of_tile("s_1_1101.filter"), ""
    ),
    "a filter of fewer clusters": Case(
        "bcl",
        f"{CALLS}/L001/s_1_1101.filter",
        drop_clusters,
        of_tile("s_1_1101.locs"),
        "67",
    ),
    "no positions": Case(
        "bcl.gz",
        "Data/Intensities/L001/s_1_1101.locs",
        remove,
        of_tile("Intensities"),
        "positions of tile 1101 of lane 1",
    ),
    "a cycle's file is missing": Case(
        "bcl.gz",
        f"{CALLS}/L001/C7.1/s_1_1101.bcl.gz",
        remove,
        of_tile("s_1_1101.bcl.gz", cycle=7),
        "missing",
    ),
    "a cycle's folder is missing": Case(
        "cbcl", f"{CALLS}/L002/C7.1", remove, [("L002_1.cbcl", 2, 1101, 7)], "missing"
    ),
    "a lane is missing": Case(
        "bcl", f"{CALLS}/L002", remove, [("s_2_1101.filter", 2, 1101, None)], "nothing of the tile"
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_a_damaged_file_costs_its_tiles_and_is_named(
    catalog: Catalog, folders: dict[str, Path], tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    lake = Lake(catalog)
    folder = Path(shutil.copytree(folders[case.kind], tmp_path / "run"))
    case.damage(folder / case.path)
    with pytest.raises(InputError, match="not all of run") as raised:
        lake.ingest([folder])
    assert raised.value.where == str(folder)
    assert faults(lake) == case.faults
    ((_, *lost, _),) = case.faults
    message = lake.sql("SELECT fault FROM run_faults")["fault"][0].as_py()
    assert case.says in message
    state, error, count = run_row(lake)
    assert (state, count) == ("quarantined", 1)
    assert error is not None
    assert message in error
    assert message in raised.value.what
    sound = [tile for place, tile in TILES.items() if place != tuple(lost)]
    assert stored_reads(lake) == expected_reads(sound, DUAL, SAMPLES)[0]
    remove(folder)
    shutil.copytree(folders[case.kind], folder)
    lake.ingest([folder])
    reads, yields = expected_reads(TILES.values(), DUAL, SAMPLES)
    assert stored_reads(lake) == reads
    assert stored_yields(lake) == yields
    assert run_row(lake) == ("complete", None, 0)
    assert leftovers(lake) == set()


def test_faults_are_told_in_the_same_order_whichever_tile_ends_first(
    catalog: Catalog, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(folders["bcl"], tmp_path / "run"))
    for lane, tile in PLACES:
        shorten(folder / CALLS / f"L{lane:03}" / f"s_{lane}_{tile}.filter")
    in_parallel = source._in_parallel
    lake = Lake(catalog)
    told = set()
    for order in (1, -1):

        def ended(work, places, task, workers, order=order):  # type: ignore[no-untyped-def]
            return list(in_parallel(work, places, task, workers))[::order]

        monkeypatch.setattr(source, "_in_parallel", ended)
        with pytest.raises(InputError, match="not all of run"):
            lake.ingest([folder])
        told.add(run_row(lake)[1])
    (error,) = told
    assert "s_1_1101.filter" in str(error)


def test_a_file_that_may_not_be_read_costs_its_tile(
    catalog: Catalog, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(catalog)
    folder = Path(shutil.copytree(folders["bcl"], tmp_path / "run"))
    closed = {folder / CALLS / "L001/C7.1/s_1_1101.bcl"}
    read_bytes = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path in closed:
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match="permission denied"):
        lake.ingest([folder])
    assert faults(lake) == of_tile("s_1_1101.bcl", cycle=7)
    sound = [tile for place, tile in TILES.items() if place != (1, 1101)]
    assert stored_reads(lake) == expected_reads(sound, DUAL, SAMPLES)[0]
    # Where nothing of the folder may be read, its files are not to blame.
    closed.add(folder / "RunInfo.xml")
    run = IlluminaRun.open(folders["bcl"])
    run = replace(run, root=folder, _info=run.info)
    with pytest.raises(StorageError, match="the run folder cannot be read"):
        run.ingest(catalog, RunOptions(), QUIET)


def test_tiles_and_positions_may_be_allowed_to_be_absent(
    catalog: Catalog, folders: dict[str, Path], tmp_path: Path
) -> None:
    lake = Lake(catalog)
    folder = Path(shutil.copytree(folders["bcl"], tmp_path / "run"))
    remove(folder / CALLS / "L002")
    remove(folder / "Data/Intensities/L001/s_1_1101.locs")
    lake.ingest([folder], allow_missing=["tiles", "positions"])
    assert run_row(lake) == ("complete", None, 0)
    tiles = lake.sql("SELECT lane, tile FROM run_tiles ORDER BY ALL").to_pylist()
    assert [(row["lane"], row["tile"]) for row in tiles] == list(PLACES[:2])
    names = lake.sql("SELECT name FROM reads WHERE tile = 1101")["name"].to_pylist()
    assert len(set(names)) == len(names) // 2  # a template's segments share it


MALFORMED = {
    "no samples": (
        "[Header]\nFileFormatVersion,2\n[BCLConvert_Data]\nSample_ID,index\n",
        "lists no samples",
        "line 3",
    ),
    "not a sheet": ("run;sample\n", "separated by semicolons", "line 1"),
    "a letter that is no base": (
        sheet_of([Sample(name="A", index1="ACGTXCGT", index2="TTGCAATC")]),
        "letter 'X'",
        "column index",
    ),
}
UNFIT = {
    "colliding samples": (
        sheet_of(
            [
                Sample(name="A", index1="ACGTACGT", index2="TTGCAATC"),
                Sample(name="B", index1="ACGTACGA", index2="TTGCAATC"),
            ]
        ),
        "cannot be told apart",
        "lines 8 and 9",
    ),
    "a lane too many": (
        sheet_of([Sample(name="A", index1="ACGTACGT", index2="TTGCAATC", lane=3)]),
        "lane 3",
        "column Lane",
    ),
}


@pytest.mark.parametrize("name", list(MALFORMED))
@pytest.mark.parametrize("before", ["another sheet", "no sheet"])
def test_reads_go_in_whatever_is_wrong_with_the_sheet_as_a_file(
    catalog: Catalog, folders: dict[str, Path], tmp_path: Path, name: str, before: str
) -> None:
    text, what, where = MALFORMED[name]
    lake = Lake(catalog)
    folder = Path(shutil.copytree(folders["bcl"], tmp_path / "run"))
    if before == "another sheet":
        lake.ingest([folder])
    (folder / "SampleSheet.csv").write_text(text)
    with pytest.raises(InputError, match=what):
        lake.ingest([folder])
    state, error, count = run_row(lake)
    assert (state, count) == ("quarantined", 1)
    assert error is not None
    assert error.startswith(f"{folder / 'SampleSheet.csv'}, line ")
    assert where in error
    # They stay whose they were.
    whose = SAMPLES if before == "another sheet" else []
    assert stored_reads(lake) == expected_reads(TILES.values(), DUAL, whose)[0]
    written = lake.sql("SELECT job_id FROM run_tiles ORDER BY ALL")
    (folder / "SampleSheet.csv").write_text(sheet_of(SAMPLES[:2]))
    lake.ingest([folder])
    assert run_row(lake) == ("complete", None, 0)
    assert stored_reads(lake) == expected_reads(TILES.values(), DUAL, SAMPLES[:2])[0]
    assert lake.sql("SELECT job_id FROM run_tiles ORDER BY ALL") == written  # assigned, not converted


def test_reads_go_in_though_the_instrument_is_not_told(
    catalog: Catalog, folders: dict[str, Path], tmp_path: Path
) -> None:
    lake = Lake(catalog)
    folder = Path(shutil.copytree(folders["bcl"], tmp_path / "run"))
    path = folder / "RunParameters.xml"
    whole = path.read_text()
    path.write_text(whole[:60])
    with pytest.raises(InputError, match="the XML ends too early"):
        lake.ingest([folder])
    assert run_row(lake) == (
        "quarantined",
        f"{path}, line 3, column 23: the XML ends too early. Copy the file from the instrument again",
        1,
    )
    reads, _ = expected_reads(TILES.values(), DUAL, SAMPLES)
    assert stored_reads(lake) == reads
    path.write_text(whole)
    lake.ingest([folder])
    assert run_row(lake) == ("complete", None, 0)
    assert stored_reads(lake) == reads


@pytest.mark.parametrize("name", list(UNFIT))
def test_a_sheet_that_does_not_fit_is_refused_before_work_starts_and_a_good_one_goes_on(
    catalog: Catalog, folders: dict[str, Path], tmp_path: Path, name: str
) -> None:
    text, what, where = UNFIT[name]
    lake = Lake(catalog)
    folder = Path(shutil.copytree(folders["bcl"], tmp_path / "run"))
    (folder / "SampleSheet.csv").write_text(text)
    with pytest.raises(InputError, match=what) as raised:
        lake.ingest([folder])
    assert str(folder / "SampleSheet.csv") in raised.value.where
    assert where in raised.value.where
    assert raised.value.remedy
    assert run_row(lake) == ("quarantined", str(raised.value), 1)
    assert stored_reads(lake) == []
    (folder / "SampleSheet.csv").write_text(sheet_of(SAMPLES))
    lake.ingest([folder])
    assert run_row(lake) == ("complete", None, 0)
    assert stored_reads(lake) == expected_reads(TILES.values(), DUAL, SAMPLES)[0]


def test_how_far_a_refused_run_had_come_is_known(
    catalog: Catalog, folders: dict[str, Path], tmp_path: Path
) -> None:
    """Else a daemon that starts anew takes it for another folder than the one that was refused."""
    folder = Path(shutil.copytree(folders["bcl"], tmp_path / "run"))
    (folder / "SampleSheet.csv").write_text(UNFIT["colliding samples"][0])
    run = IlluminaRun.open(folder)
    arrived = replace(run.progress(), bytes=1)  # when the daemon last had something to set down
    record_run(catalog, run.describe(), "receiving", progress=arrived)
    with pytest.raises(InputError):
        Lake(catalog).ingest([folder])
    record = find_run(catalog, RUN)
    assert record is not None
    assert (record.state, record.bytes) == ("quarantined", run.progress().bytes)


DESCRIPTIONS = {
    "cut off": (lambda text: text[:300], TruncatedInputError),
    "not XML": (lambda _: "<RunInfo", InputError),
    "another document": (lambda _: "<Run/>", InputError),
    "a number that is none": (lambda text: text.replace('NumCycles="21"', 'NumCycles="many"'), InputError),
}


@pytest.mark.parametrize("name", list(DESCRIPTIONS))
def test_a_description_that_cannot_be_read_names_the_file(
    catalog: Catalog, folders: dict[str, Path], tmp_path: Path, name: str
) -> None:
    change, error = DESCRIPTIONS[name]
    lake = Lake(catalog)
    folder = Path(shutil.copytree(folders["bcl"], tmp_path / "run"))
    path = folder / "RunInfo.xml"
    path.write_text(change(path.read_text()))
    with pytest.raises(error) as raised:
        lake.ingest([folder])
    assert isinstance(raised.value, BaselakeError)
    assert str(path) in raised.value.where
    assert lake.sql("SELECT * FROM runs").num_rows == 0


def test_a_run_whose_description_could_not_be_read_once_goes_in_when_it_can(
    catalog: Catalog, folders: dict[str, Path]
) -> None:
    lake = Lake(catalog)
    unreadable = replace(IlluminaRun.open(folders["bcl"]).describe(), digest=UNREADABLE)
    record_run(catalog, unreadable, "quarantined", error="RunInfo.xml is cut off")
    lake.ingest([folders["bcl"]])
    assert lake.sql("SELECT run_id, state, error FROM runs").to_pylist() == [
        {"run_id": RUN, "state": "complete", "error": None}
    ]


def test_base_calls_that_nothing_describes_are_no_files_of_reads(
    catalog: Catalog, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders["bcl"], tmp_path / "run"))
    (folder / "RunInfo.xml").unlink()
    (folder / "reads.fastq").write_text("@r\nA\n+\nI\n")
    with pytest.raises(NotFoundError, match="the file is missing") as raised:
        Lake(catalog).ingest([folder])
    assert raised.value.where == str(folder / "RunInfo.xml")
    remove(folder / CALLS / "L001")
    remove(folder / CALLS / "L002")
    Lake(catalog).ingest([folder], sample="S")
    assert Lake(catalog).sql("SELECT name FROM reads")["name"].to_pylist() == ["r"]


def test_a_sheet_that_is_not_there_is_no_fault_of_the_run(
    catalog: Catalog, folders: dict[str, Path], tmp_path: Path
) -> None:
    lake = Lake(catalog)
    with pytest.raises(NotFoundError, match="no such file"):
        lake.ingest([folders["bcl"]], sample_sheet=tmp_path / "absent.csv")
    assert lake.sql("SELECT * FROM runs").num_rows == 0


def test_a_run_is_worked_on_by_one_at_a_time(catalog: Catalog, folders: dict[str, Path]) -> None:
    lake = Lake(catalog)
    with held_lock(catalog.layout.run_lock(RUN), "a test has it"), pytest.raises(LakeError, match=RUN):
        lake.ingest([folders["bcl"]])
    assert lake.sql("SELECT * FROM runs").num_rows == 0
