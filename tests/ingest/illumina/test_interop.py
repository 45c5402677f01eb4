"""InterOp of real runs, as Illumina's library sums it up, and what is wrong with damaged files."""

import shutil
from pathlib import Path

import pytest

from baselake.ingest.illumina.interop import METRICS, Interop, interop_metrics

CHECKQC = "run_folders/checkqc/230825_M04034_0043_000000000-L6NVV"
MISEQ = "run_folders/miseq_220422_first100k/220422_M11111_0222_000000000-K9H97"
HISEQ = "run_folders/picard/130401_SL-HAC_0022_BH07PBADXX"


def values(found: Interop) -> dict[tuple[int, int, str], float | None]:
    return {(row["lane"], row["read"], row["metric"]): row["value"] for row in found.metrics.to_pylist()}


@pytest.fixture
def checkqc(shared_data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shared_data / CHECKQC, tmp_path / "run"))


def test_a_real_run(shared_data: Path) -> None:
    found = interop_metrics(shared_data / CHECKQC)
    assert found.warnings == ()
    assert found.metrics.schema.equals(METRICS)
    of = values(found)
    # bcl2fastq's Stats.json of the run says the same numbers of clusters.
    assert (of[1, 0, "cluster_count"], of[1, 0, "cluster_count_pf"]) == (23469886, 20970625)
    assert of[1, 0, "percent_pf"] == pytest.approx(89.33, abs=0.01)
    assert of[1, 0, "density"] == pytest.approx(1_244_293, abs=1)
    assert of[1, 0, "percent_occupied"] is None
    assert {read for _, read, _ in of} == {0, 1, 2, 3, 4}
    assert of[1, 1, "percent_gte_q30"] == pytest.approx(95.30, abs=0.01)
    assert of[1, 4, "error_rate"] == pytest.approx(0.8677, abs=1e-4)
    assert of[1, 2, "error_rate"] is None
    assert of[1, 1, "yield_g"] == pytest.approx(3.1456, abs=1e-4)
    assert of[1, 1, "percent_aligned"] == pytest.approx(15.35, abs=0.01)
    assert of[1, 1, "first_cycle_intensity"] == 235
    assert of[1, 1, "phasing"] == pytest.approx(0.0944, abs=1e-4)


def test_a_run_without_its_parameters(shared_data: Path) -> None:
    """RunParameters.xml is not there, where the library looks for what old instruments call their dyes."""
    found = interop_metrics(shared_data / MISEQ)
    assert found.warnings == ()
    assert values(found)[1, 0, "cluster_count"] == 28263284


def test_tiles_that_run_info_does_not_know(shared_data: Path) -> None:
    """The fixture's RunInfo.xml was cut down to one tile a lane; its InterOp was not."""
    found = interop_metrics(shared_data / HISEQ)
    assert found.metrics.num_rows == 0
    assert "Tile number exceeds" in found.warnings[0]


def test_a_folder_without_interop(tmp_path: Path) -> None:
    (tmp_path / "InterOp").mkdir()
    found = interop_metrics(tmp_path)
    assert (found.metrics.num_rows, found.metrics.schema, found.warnings) == (0, METRICS, ())


@pytest.mark.parametrize("damage", ["cut", "version", "empty"])
def test_a_damaged_file_costs_its_own_numbers(checkqc: Path, damage: str) -> None:
    path = checkqc / "InterOp" / "ErrorMetricsOut.bin"
    content = path.read_bytes()
    path.write_bytes({"cut": content[:-7], "version": b"\xee" + content[1:], "empty": b""}[damage])
    found = interop_metrics(checkqc)
    (warning,) = found.warnings
    assert warning.startswith(f"{path}: ")
    of = values(found)
    assert of[1, 0, "cluster_count"] == 23469886
    assert (of[1, 1, "error_rate"] is None) == (damage != "cut")


@pytest.mark.parametrize("text", [None, "<RunInfo"], ids=["absent", "malformed"])
def test_a_run_info_that_cannot_be_read(checkqc: Path, text: str | None) -> None:
    (checkqc / "RunInfo.xml").unlink()
    if text is not None:
        (checkqc / "RunInfo.xml").write_text(text)
    found = interop_metrics(checkqc)
    assert found.metrics.num_rows == 0
    assert len(found.warnings) == 1
