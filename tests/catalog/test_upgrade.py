"""A lake made by an earlier release is brought up to date when asked, never by chance."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from baselake.catalog import connection
from baselake.catalog.catalog import connect, create
from baselake.catalog.files import stored_files
from baselake.config import Config
from baselake.errors import LakeError
from baselake.lake.schema import ALIGNMENTS, READ_RECORDS

from .writer_process import reads


@contextmanager
def earlier_release(
    folder: Path, monkeypatch: pytest.MonkeyPatch, version: int, release: str
) -> Iterator[None]:
    """A block in which lakes are made and used as a release before 0.3 did it, but for what `forget` takes away."""
    ours = Path(connection.__file__).parent / "sql"
    sql = folder / "sql"
    (sql / "schema").mkdir(parents=True)
    for step in (ours / "schema").glob("*.sql"):
        if int(step.name[:4]) <= version:
            shutil.copy(step, sql / "schema")
    shutil.copytree(ours / "metadata", sql / "metadata")
    with monkeypatch.context() as old:
        old.setattr(connection, "_SQL", sql)
        old.setattr(connection, "SCHEMA_VERSION", version)
        old.setattr(connection, "RELEASE", release)
        yield


def forget(lake: Path) -> None:
    """Take away what releases before 0.3 did not write: tables beside DuckLake's, and what commits say."""
    database = sqlite3.connect(lake / "catalog.sqlite")
    with database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE name LIKE 'baselake_%'").fetchall()
        for (table,) in tables:
            database.execute(f"DROP TABLE {table}")
        database.execute("UPDATE ducklake_snapshot_changes SET commit_extra_info = NULL, author = NULL")
    database.close()


@pytest.fixture
def old_lake(tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lake with the tables of release 0.1, and a read and an alignment in it."""
    lake = tmp_path / "lake"
    with earlier_release(tmp_path, monkeypatch, 1, "0.1.0"):
        create(lake, config)
        with connect(lake, config) as catalog, catalog.job("ingest") as job, job.commit() as tx:
            tx.execute(
                "INSERT INTO read_records BY NAME SELECT 'R' AS run_id, 'q' AS name, 1 AS segment, 'A' AS seq"
            )
            tx.execute(
                "INSERT INTO alignments BY NAME SELECT 'ref' AS reference, 'S' AS sample_id, 'q' AS name"
            )
    forget(lake)
    return lake


def test_an_old_lake_is_not_opened_but_told_how_to_be_upgraded(old_lake: Path, config: Config) -> None:
    with pytest.raises(LakeError, match=r"made by baselake 0\.1\.0, table version 1.*baselake init --lake"):
        connect(old_lake, config)


def test_init_upgrades_it_and_keeps_its_rows(old_lake: Path, config: Config) -> None:
    assert create(old_lake, config) is False
    with connect(old_lake, config) as catalog:
        rows = catalog.query("SELECT name, seq, tile, sample_id FROM reads").to_pylist()
        versions = catalog.query(
            "SELECT version, release FROM schema_migrations ORDER BY version"
        ).to_pylist()
        files = stored_files(catalog.connection, catalog.layout)
    # What the old release wrote is known and is not read through to be summed; what the upgrade wrote is summed.
    assert {file.checksum is None for file in files if file.table == "read_records"} == {True}
    assert all(file.written is not None for file in files)
    assert rows == [{"name": "q", "seq": "A", "tile": None, "sample_id": None}]
    assert versions[0] == {"version": 1, "release": "0.1.0"}
    steps = sorted(int(step.name[:4]) for step in (connection._SQL / "schema").glob("*.sql"))
    assert steps[-1] == connection.SCHEMA_VERSION
    assert versions[1:] == [{"version": number, "release": connection.RELEASE} for number in steps[1:]]


def test_what_its_old_snapshots_have_not_is_told(old_lake: Path, config: Config) -> None:
    create(old_lake, config)
    with connect(old_lake, config, at=2) as then:
        assert then.query("SELECT name FROM read_records")["name"].to_pylist() == ["q"]
        with pytest.raises(LakeError, match=r"tables of snapshot 2 are not those of this release.*run_tiles"):
            then.query(then.statement("runs"))


def test_rows_of_before_and_coded_ones_stand_in_one_view(old_lake: Path, config: Config) -> None:
    with pytest.raises(LakeError), connect(old_lake, config):
        pass
    create(old_lake, config)
    with connect(old_lake, config) as catalog:
        before = catalog.query("SELECT max(snapshot_id) AS n FROM lake.snapshots()")["n"][0].as_py()
        with catalog.job("align") as job:
            for name, spec in (("read_records", READ_RECORDS), ("alignments", ALIGNMENTS)):
                partition = dict.fromkeys(spec.partition_by, None) | (
                    {"reference": "ref", "sample_id": "T"} if name == "alignments" else {"run_id": "R2"}
                )
                row = {column: partition.get(column) for column in spec.schema.names} | {
                    "name": "new",
                    "qual": "I",
                }
                if name == "alignments":
                    row["tlen"] = 7
                with job.writer(name, partition) as out:
                    out.write(pa.Table.from_pylist([row], spec.schema))
            with job.commit():
                pass
        rows = catalog.query("SELECT name, seq, qual FROM read_records ORDER BY name").to_pylist()
        aligned = catalog.query("SELECT name, sample_id, tlen FROM alignments ORDER BY name").to_pylist()
    assert rows == [{"name": "new", "seq": None, "qual": "I"}, {"name": "q", "seq": "A", "qual": None}]
    assert aligned == [
        {"name": "new", "sample_id": "T", "tlen": 7},
        {"name": "q", "sample_id": "S", "tlen": None},
    ]
    with connect(old_lake, config, at=before) as then:
        assert then.query("SELECT name FROM read_records")["name"].to_pylist() == ["q"]
    with connect(old_lake, config, at=2) as then:  # the tables as they were
        assert then.query("SELECT name FROM alignments")["name"].to_pylist() == ["q"]


def test_a_lake_of_a_newer_release_is_refused(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path / "lake", config)
    monkeypatch.setattr(connection, "SCHEMA_VERSION", 1)
    for opening in (connect, create):
        with pytest.raises(LakeError, match="Upgrade baselake"):
            opening(tmp_path / "lake", config)


def test_alignments_of_an_earlier_release_get_the_files_of_their_reads(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = tmp_path / "lake"
    plain = replace(READ_RECORDS, stored=None)
    with earlier_release(tmp_path, monkeypatch, 2, "0.2.0"):
        create(lake, config)
        with connect(lake, config) as catalog:
            imports = {}
            for sample in ("A", "B"):
                with catalog.job("ingest") as job:
                    imports[sample] = f"{job.id}-0001.parquet"
                    with job.writer_of(plain, {"run_id": sample, "lane": None}) as out:
                        out.write(reads(sample, 2))
                    with job.commit() as tx:
                        tx.execute(
                            "INSERT INTO source_files (source_id, sample_ids, job_id) VALUES (?, [?], ?)",
                            [f"file of {sample}", sample, job.id],
                        )
            with catalog.job("align", {"sample": "A", "reference": "r"}) as job, job.commit():
                job.inputs.append("read_group:A.1")
    forget(lake)
    create(lake, config)
    with connect(lake, config) as catalog:
        (row,) = catalog.query("SELECT inputs FROM lineage WHERE operation = 'align'").to_pylist()
    assert row["inputs"] == ["read_group:A.1", imports["A"]]


def test_a_lake_from_before_annotation_gets_its_tables_and_questions(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = tmp_path / "lake"
    with earlier_release(tmp_path, monkeypatch, 10, "0.4.0"):
        create(lake, config)
        with connect(lake, config) as catalog, catalog.job("ingest") as job, job.commit() as tx:
            tx.execute("INSERT INTO samples (sample_id) VALUES ('S')")
        assert not (tmp_path / "sql" / "table_macros").exists()
    with pytest.raises(LakeError, match="baselake init"):
        connect(lake, config)
    create(lake, config)
    with connect(lake, config) as catalog:
        for table in ("annotation_releases", "genes", "transcripts", "consequences", "annotations", "panels"):
            assert catalog.query(f"FROM {table}").num_rows == 0
        assert catalog.query("FROM gene('ABC')").num_rows == 0
        assert catalog.query("FROM coverage_of('ABC', cohort => 'S')").num_rows == 0
        assert catalog.query("FROM samples").num_rows == 1
