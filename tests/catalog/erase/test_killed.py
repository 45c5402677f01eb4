"""However an erasure is ended, the lake is as before or as after it, and the same command finishes it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.erase.work import unfinished_works
from baselake.lake.partition import LakeLayout

from ...commands import baselake
from ..conftest import Place
from .people import align
from .test_erase import WHO, traces

# Where it dies, in the order in which an erasure comes there, and whether the sample is in the lake then.
POINTS = [
    ("rewrite_rows", 1, "after", True),
    ("rewrite_rows", 4, "before", True),
    ("write_names", 1, "after", True),
    ("replace_files", 1, "before", True),
    ("replace_files", 1, "after", False),
    ("delete_location", 3, "after", False),
    ("_destroy", 1, "after", False),
    ("scan", 1, "after", False),
    ("_finish", 1, "before", False),
]
# Elsewhere it is at work on files.
AT_THE_DATABASE = [point for point in POINTS if point[0] in ("replace_files", "_finish")]


def run(place: Place, keys: Path, *point: object) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        str(Path(__file__).with_name("erase_process.py")),
        str(place.lake),
        str(keys),
        WHO,
    ]
    return subprocess.run([*command, *map(str, point)], capture_output=True, text=True, check=False)


def rows_left(catalog: Catalog) -> int:
    tables = ("samples", "read_groups", "alignments", "genotypes")
    count = " + ".join(f"(SELECT count(*) FROM {table} WHERE sample_id = '{WHO}')" for table in tables)
    left: int = catalog.query(f"SELECT {count} AS n")["n"][0].as_py()
    return left


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(POINTS, marks=pytest.mark.mostly_files, id="everywhere"),
        pytest.param(AT_THE_DATABASE, id="database"),
    ],
)
def test_a_killed_erasure_is_whole_or_not_there_and_can_be_finished(
    lake_of_people: Place, tmp_path: Path, points: list[tuple[str, int, str, bool]]
) -> None:
    place, keys = lake_of_people, tmp_path / "keys"
    with connect(*place) as catalog:
        whole = rows_left(catalog)
        others = catalog.query("SELECT count(*) AS n FROM alignments")["n"][0].as_py() - 7
    for name, calls, when, there in points:
        died = run(place, keys, name, calls, when)
        assert died.returncode == -signal.SIGKILL, (name, died.stderr)
        with connect(*place) as catalog:
            assert rows_left(catalog) == (whole if there else 0), name
            # Nobody else's query meets a file that is gone.
            found = catalog.query(f"SELECT * FROM alignments WHERE sample_id <> '{WHO}'").num_rows
            assert found == others
        assert [work.sample for work in unfinished_works(LakeLayout(place.lake))] == [WHO]
    assert f"the erasure of {WHO} is unfinished" in baselake(place.lake, "status").stderr
    done = run(place, keys)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(".json")
    assert traces(place) == []
    assert "unfinished" not in baselake(place.lake, "status").stderr
    with connect(*place) as catalog:
        states = catalog.query("SELECT state FROM __ducklake_metadata_lake.baselake_erasures")["state"]
        assert states.to_pylist() == ["done"]
        align(catalog, "BERTRAM", 2, "chr2")  # sweeps what the dead left
    assert not list((place.lake / "jobs").iterdir())
