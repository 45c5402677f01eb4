"""A job's work becomes visible whole or not at all, however it ends, beside any number of others."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from baselake.catalog.backends import backend_of
from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.locks import new_locked, try_lock
from baselake.config import Config
from baselake.errors import LakeError, StorageError
from baselake.lake.columns.blocks import encode_rows
from baselake.lake.columns.codecs import NO_CONTIG
from baselake.lake.partition import LakeLayout

from .writer_process import reads, write_alleles, write_reads


def count(catalog: Catalog, table: str) -> int:
    return catalog.query(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py()


def files(lake: Path) -> set[str]:
    return {str(path.relative_to(lake)) for path in (lake / "data").rglob("*.parquet")}


def test_files_rows_and_lineage_appear_together(catalog: Catalog) -> None:
    with catalog.job("ingest", {"sample": "S", "reference": None}) as job:
        job.inputs.append("a.fastq")
        with job.writer("read_records", {"run_id": "R", "lane": None}) as out:
            out.write(reads("R", 3))
        assert count(catalog, "read_records") == 0
        with job.commit() as tx:
            tx.insert("runs", pa.table({"run_id": ["R"]}))
            assert count(catalog, "runs") == 0
    assert (count(catalog, "read_records"), count(catalog, "runs")) == (3, 1)
    (line,) = catalog.query("SELECT * FROM lineage").to_pylist()
    assert (line["operation"], line["inputs"], line["parameters"]) == (
        "ingest",
        ["a.fastq"],
        [("sample", "S")],
    )
    assert line["outputs"] == [
        f"data/main/read_records/run_id=R/lane=__HIVE_DEFAULT_PARTITION__/{job.id}-0001.parquet"
    ]


def test_rows_lie_in_the_order_in_which_their_files_were_begun(catalog: Catalog) -> None:
    with catalog.job("ingest") as job:
        begun = [job.writer("read_records", {"run_id": "R", "lane": None}) for _ in range(3)]
        for rows, out in zip((2, 3, 4), begun, strict=True):
            out.write(reads("R", rows))
        for out in reversed(begun):
            out.close()
        with job.commit():
            pass
    stored = catalog.query("SELECT filename, count(*) AS n FROM stored_reads GROUP BY 1 ORDER BY min(rowid)")
    assert stored["n"].to_pylist() == [2, 3, 4]


def test_rows_that_are_coded_already_stand_beside_others(catalog: Catalog) -> None:
    with catalog.job("ingest") as job:
        with job.writer("read_records", {"run_id": "R", "lane": None}) as out:
            out.write(reads("R", 3))
            out.write_coded(encode_rows(reads("R", 2), NO_CONTIG))
            out.write(reads("R", 1))
            with pytest.raises(ValueError, match="no column lane of int64"):
                out.write_coded(pa.table({"lane": [1]}))
        with job.commit():
            pass
    names = catalog.query("SELECT name FROM read_records")["name"].to_pylist()
    assert names == [name for rows in (3, 2, 1) for name in reads("R", rows)["name"].to_pylist()]


@pytest.mark.parametrize("inside_commit", [False, True])
def test_a_job_that_raises_leaves_nothing(catalog: Catalog, lake: Path, inside_commit: bool) -> None:
    before = files(lake)
    with pytest.raises(ZeroDivisionError), catalog.job("ingest") as job:
        with job.writer("read_records", {"run_id": "R", "lane": None}) as out:
            out.write(reads("R", 3))
        if inside_commit:
            with job.commit() as tx:
                tx.insert("runs", pa.table({"run_id": ["R"]}))
                raise ZeroDivisionError
        raise ZeroDivisionError
    assert (count(catalog, "read_records"), count(catalog, "runs"), count(catalog, "lineage")) == (0, 0, 0)
    assert files(lake) == before
    assert not list((lake / "jobs").iterdir())


def test_the_catalog_says_what_it_refuses(catalog: Catalog) -> None:
    with (
        pytest.raises(LakeError, match="refused the ingest"),
        catalog.job("ingest") as job,
        job.commit() as tx,
    ):
        tx.execute("INSERT INTO no_such_table VALUES (1)")
    write_reads(catalog, "R", 1)
    assert count(catalog, "read_records") == 1


def orphan_of_ducklake(lake: Path) -> Path:
    """A file of a transaction that died, as DuckLake names it."""
    path = lake / "data" / "main" / "runs" / "ducklake-0000.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_a_sweep_that_is_cut_short_is_done_again(lake: Path, config: Config) -> None:
    (lake / "jobs").mkdir(exist_ok=True)
    (lake / "jobs" / "dead").touch()
    left = orphan_of_ducklake(lake)
    hasty = replace(config, commit_timeout_seconds=0.01)
    with (
        backend_of(LakeLayout(lake), config).commit_lock(1),
        connect(lake, hasty) as catalog,
        pytest.raises(LakeError, match="has been committing"),
    ):
        write_reads(catalog, "R1", 1)
    assert left.exists()
    with connect(lake, config) as catalog:
        write_reads(catalog, "R2", 1)
    assert not left.exists()
    assert not list((lake / "jobs").iterdir())


def test_what_cannot_be_undone_at_once_is_undone_by_the_next_writer(
    catalog: Catalog, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk may refuse to look into the catalog: what DuckLake wrote must not be forgotten with the journal."""

    def refused(connection: object) -> set[str]:
        raise duckdb.IOException("disk I/O error")

    with (
        monkeypatch.context() as patch,
        pytest.raises(LakeError, match=r"refused the change.*no_such_table"),
        catalog.record() as tx,
    ):
        left = orphan_of_ducklake(lake)
        patch.setattr("baselake.catalog.leftovers._registered", refused)
        tx.execute("INSERT INTO no_such_table VALUES (1)")
    assert left.exists()
    write_reads(catalog, "R", 1)
    assert not left.exists()
    assert not list((lake / "jobs").iterdir())


def test_a_disk_too_full_for_a_journal_is_told_as_such(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("baselake.catalog.job.new_locked", refused)
    with pytest.raises(StorageError, match=r"No space left on device.*Free space"):
        write_reads(catalog, "R", 1)


def test_no_journal_is_ever_without_its_holder(tmp_path: Path) -> None:
    """A sweep that takes a new journal for a dead one's, between its making and its locking, costs one try more."""
    stop = threading.Event()

    def sweep_always() -> None:
        while not stop.is_set():
            for path in tmp_path.iterdir():
                descriptor = try_lock(path)
                if descriptor is not None:
                    path.unlink()
                    os.close(descriptor)

    sweeper = threading.Thread(target=sweep_always)
    sweeper.start()
    try:
        for number in range(3000):
            path = tmp_path / str(number)
            with new_locked(path):
                assert path.exists()
                path.unlink()
    finally:
        stop.set()
        sweeper.join()


def test_an_allele_is_added_once(catalog: Catalog) -> None:
    for starts, added in (([1, 5], 2), ([1, 5, 7], 1), ([5], 0)):
        assert write_alleles(catalog, starts) == added
    assert catalog.query("SELECT start FROM variants ORDER BY 1")["start"].to_pylist() == [1, 5, 7]


def test_a_query_for_another_partition_reads_no_file(catalog: Catalog) -> None:
    write_reads(catalog, "R1", 5)
    write_reads(catalog, "R2", 5)
    plan = catalog.query("EXPLAIN ANALYZE SELECT * FROM stored_reads WHERE run_id = 'R2'").to_pylist()
    assert "run_id=R2" in str(plan)
    assert "run_id=R1" not in str(plan)


def test_an_older_snapshot_shows_what_was_then(catalog: Catalog, lake: Path, config: Config) -> None:
    write_reads(catalog, "R1", 5)
    snapshot = catalog.query("SELECT id FROM lake.current_snapshot()")["id"][0].as_py()
    write_reads(catalog, "R2", 2)
    with connect(lake, config, at=snapshot) as then:
        assert count(then, "read_records") == 5
    assert count(catalog, "read_records") == 7


def start_writer(lake: Path, what: str, writer: int, commits: int) -> subprocess.Popen:
    command = [sys.executable, str(Path(__file__).with_name("writer_process.py")), str(lake), what]
    return subprocess.Popen([*command, str(writer), str(commits)], stdout=subprocess.PIPE, text=True)


def test_writers_side_by_side_lose_and_double_nothing(lake: Path, catalog: Catalog) -> None:
    writers = [start_writer(lake, "alleles", i, 5) for i in range(3)]
    seen = 0
    while any(process.poll() is None for process in writers):
        now = count(catalog, "variants")  # a reader is never refused, and never sees less than before
        assert now >= seen
        seen = now
    assert [process.communicate()[0].split() for process in writers] == [list("01234")] * 3
    assert [process.returncode for process in writers] == [0, 0, 0]
    assert count(catalog, "variants") == 5 + 3 * 5
    assert count(catalog, "lineage") == 15


@pytest.mark.slow
def test_sigkill_at_any_moment_leaves_whole_jobs_only(lake: Path, config: Config) -> None:
    for attempt in range(8):
        process = start_writer(lake, "reads", attempt, 100)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05 + 0.07 * attempt)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with connect(lake, config) as catalog:
            runs = count(catalog, "runs")
            assert count(catalog, "read_records") == 50 * runs
            assert count(catalog, "lineage") == runs
    with connect(lake, config) as catalog:
        write_reads(catalog, "last", 1)  # sweeps what the dead left
        registered = catalog.query("SELECT path FROM __ducklake_metadata_lake.ducklake_data_file")[
            "path"
        ].to_pylist()
    assert {Path(path).name for path in files(lake)} == {Path(path).name for path in registered}
    assert not list((lake / "jobs").iterdir())
    assert not (lake / "scratch").exists() or not list((lake / "scratch").iterdir())
