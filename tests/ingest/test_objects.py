"""Files kept in the lake: once each, whole or not at all."""

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.config import Config
from baselake.errors import StorageError
from baselake.ingest.objects import RunObject, illumina_objects, keep_objects


def item(path: Path, content: bytes, name: str | None = None) -> RunObject:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return RunObject(path=path, name=name or path.name, kind="metadata")


def rows(catalog: Catalog) -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in catalog.query("SELECT * FROM objects").to_pylist()}


def stored(lake: Path) -> list[Path]:
    return sorted(path for path in (lake / "objects").rglob("*") if path.is_file())


def test_a_file_is_kept_byte_by_byte(catalog: Catalog, lake: Path, tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    objects = [item(tmp_path / "a b" / "x.bin", content, "a b/x.bin"), item(tmp_path / "y", b"")]
    assert keep_objects(catalog, "R/1", objects) == 2
    row = rows(catalog)["a b/x.bin"]
    assert (row["bytes"], row["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert row["path"] == f"objects/R%2F1/{str(row['sha256'])[:16]}-x.bin"
    assert (lake / str(row["path"])).read_bytes() == content
    (line,) = catalog.query("SELECT operation, outputs FROM lineage").to_pylist()
    assert line["operation"] == "keep"
    assert sorted(line["outputs"]) == [str(path.relative_to(lake)) for path in stored(lake)]


def test_what_is_there_is_not_copied_again(catalog: Catalog, lake: Path, tmp_path: Path) -> None:
    first = item(tmp_path / "sheet.csv", b"one")
    keep_objects(catalog, "R", [first])
    assert keep_objects(catalog, "R", [first]) == 0
    before = catalog.query("SELECT max(snapshot_id) AS id FROM lake.snapshots()")["id"][0].as_py()
    item(tmp_path / "sheet.csv", b"two")
    assert keep_objects(catalog, "R", [first]) == 1
    assert rows(catalog)["sheet.csv"]["sha256"] == hashlib.sha256(b"two").hexdigest()
    with connect(lake, catalog.config, at=before) as earlier:
        old = rows(earlier)["sheet.csv"]
    assert (lake / str(old["path"])).read_bytes() == b"one"


def test_a_job_that_fails_leaves_no_file(catalog: Catalog, lake: Path, tmp_path: Path) -> None:
    good = item(tmp_path / "good", b"good")
    gone = RunObject(path=tmp_path / "good", name="good", kind="metadata")
    keep_objects(catalog, "R", [gone])
    with pytest.raises(StorageError), catalog.job("keep") as job:
        job.object(item(tmp_path / "other", b"other").path, "R", "other")
        job.object(good.path, "R", "good")  # its content is another job's: it stays
        job.object(tmp_path / "missing", "R", "missing")
    assert [path.read_bytes() for path in stored(lake)] == [b"good"]


def test_a_killed_job_leaves_no_file(lake: Path, config: Config, tmp_path: Path) -> None:
    source = item(tmp_path / "signal.pod5", b"signal").path
    script = f"""
    import os, signal
    from pathlib import Path
    from baselake.catalog.catalog import connect
    with connect(Path({str(lake)!r})) as catalog, catalog.job("keep") as job:
        job.object(Path({str(source)!r}), "R", "signal.pod5")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=dict(os.environ), check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(stored(lake)) == 1
    with connect(lake, config) as catalog:
        with catalog.record():
            pass
        assert (stored(lake), rows(catalog)) == ([], {})


def test_what_of_an_illumina_folder_is_kept(tmp_path: Path) -> None:
    for name in (
        "RunInfo.xml",
        "runParameters.xml",
        "SampleSheet.csv",
        "InterOp/TileMetricsOut.bin",
        "Logs/a.log",
    ):
        item(tmp_path / name, b"")
    item(tmp_path / "InterOp" / "C1.1" / "QMetricsOut.bin", b"")
    assert [(kept.name, kept.kind) for kept in illumina_objects(tmp_path)] == [
        ("InterOp/C1.1/QMetricsOut.bin", "interop"),
        ("InterOp/TileMetricsOut.bin", "interop"),
        ("RunInfo.xml", "metadata"),
        ("SampleSheet.csv", "metadata"),
        ("runParameters.xml", "metadata"),
    ]
