"""What a catalog must do, whichever database holds it."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from baselake.catalog import job as jobs
from baselake.catalog.backends import backend_of
from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.files import stored_files
from baselake.config import Config, load_config
from baselake.errors import ConflictError, InputError, LakeError, NotFoundError
from baselake.lake.location import checksum_of

from .conftest import Place
from .writer_process import write_reads


def count(catalog: Catalog, table: str) -> int:
    return catalog.query(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py()


def test_a_lake_is_made_once_and_found_by_its_folder(place: Place) -> None:
    assert create(*place) is False
    with connect(place.lake) as catalog:  # by its own settings
        assert catalog.config.catalog == place.config.catalog
        assert count(catalog, "schema_migrations") > 0


def test_a_folder_that_is_mounted_elsewhere_is_the_same_lake(place: Place, tmp_path: Path) -> None:
    with connect(*place) as catalog:
        write_reads(catalog, "R", 5)
    elsewhere = tmp_path / "mounted" / "elsewhere"
    elsewhere.parent.mkdir()
    place.lake.rename(elsewhere)
    with connect(elsewhere, place.config) as catalog:
        assert count(catalog, "read_records") == 5
        write_reads(catalog, "R2", 2)
        assert count(catalog, "read_records") == 7


def test_a_lake_that_is_not_there_is_said_to_be(tmp_path: Path, database: str, config: Config) -> None:
    for settings in (config, replace(config, catalog=database)):
        with pytest.raises(NotFoundError, match=r"no lake here.*baselake init"):
            connect(tmp_path, settings)


def test_a_read_only_lake_refuses_every_change(place: Place) -> None:
    with connect(*place, read_only=True) as catalog, pytest.raises(LakeError), catalog.record() as tx:
        tx.insert("runs", pa.table({"run_id": ["R"]}))
    with connect(*place) as catalog:
        assert count(catalog, "runs") == 0


def test_an_older_snapshot_shows_what_was_then(opened: Catalog, place: Place) -> None:
    write_reads(opened, "R1", 5)
    snapshot = opened.query("SELECT id FROM lake.current_snapshot()")["id"][0].as_py()
    write_reads(opened, "R2", 2)
    with connect(*place, at=snapshot) as then:
        assert count(then, "read_records") == 5
    with pytest.raises(NotFoundError, match="no snapshot 999"):
        connect(*place, at=999)


def test_an_allele_that_two_bring_is_there_once(opened: Catalog, place: Place) -> None:
    writers = [start_writer(place.lake, "alleles", number, 3) for number in range(2)]
    assert [writer.communicate()[0].split() for writer in writers] == [list("012")] * 2
    assert count(opened, "variants") == 3 + 2 * 3


def start_writer(lake: Path, what: str, writer: int, commits: int) -> "subprocess.Popen[str]":
    command = [sys.executable, str(Path(__file__).with_name("writer_process.py")), str(lake), what]
    return subprocess.Popen([*command, str(writer), str(commits)], stdout=subprocess.PIPE, text=True)


# ---------------------------------------------------------------------------------------------------------
# The commit lock.

HOLD = """
import sys, time
from pathlib import Path
from baselake.catalog.backends import backend_of
from baselake.config import load_config
from baselake.lake.partition import LakeLayout
lake = Path(sys.argv[1])
with backend_of(LakeLayout(lake), load_config(lake, {})).commit_lock(10):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_lock_is_waited_for_named_and_gone_with_its_process(opened: Catalog, place: Place) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place.lake)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        impatient = replace(place.config, commit_timeout_seconds=1)
        with (
            connect(place.lake, impatient) as catalog,
            pytest.raises(LakeError, match=r"another writer \(.*process \d+\) has been committing for 1 s"),
        ):
            write_reads(catalog, "R", 1)
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.communicate()
    write_reads(opened, "R", 1)
    assert count(opened, "runs") == 1


def test_two_lakes_do_not_wait_for_each_other(place: Place, tmp_path: Path, config: Config) -> None:
    create(tmp_path / "other", config)
    with (
        backend_of(connect(*place).layout, place.config).commit_lock(1),
        connect(tmp_path / "other", replace(config, commit_timeout_seconds=1)) as catalog,
    ):
        write_reads(catalog, "R", 1)


# ---------------------------------------------------------------------------------------------------------
# What is known of the files.


def test_every_file_is_known_by_its_checksum(opened: Catalog) -> None:
    write_reads(opened, "R1", 5)
    with opened.record() as tx:
        tx.insert("runs", pa.table({"run_id": ["A", "B"]}))
    with opened.record() as tx:
        tx.execute("UPDATE runs SET state = 'complete' WHERE run_id = 'A'")
    files = stored_files(opened.connection, opened.layout)
    assert {(file.table, file.kind) for file in files} >= {
        ("read_records", "rows"),
        ("runs", "rows"),
        ("runs", "deletes"),
        ("lineage", "rows"),
        ("schema_migrations", "rows"),
    }
    for file in files:
        path = Path(file.location)
        assert (file.checksum, file.bytes) == (checksum_of(str(path)), path.stat().st_size)
        assert (file.name, file.written_bytes) == (path.name, file.bytes)


def test_a_checksum_that_its_writer_could_not_set_down_is_set_down_by_the_next(
    opened: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise duckdb.IOException("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(jobs, "record_files", fail)
        with pytest.warns(UserWarning, match="checksums are left to the next writer: disk full"):
            write_reads(opened, "R1", 5)
    assert count(opened, "read_records") == 5
    assert any(file.written is None for file in stored_files(opened.connection, opened.layout))
    write_reads(opened, "R2", 5)
    assert all(file.checksum is not None for file in stored_files(opened.connection, opened.layout))
    assert not list(opened.layout.jobs.iterdir())


# ---------------------------------------------------------------------------------------------------------
# PostgreSQL's own.


def test_init_that_died_half_way_is_taken_up_again(tmp_path: Path, database: str, config: Config) -> None:
    """DuckLake makes its tables in a transaction of its own; ours come after it."""
    settings = replace(config, catalog=database)
    script = (
        "import os, sys; from pathlib import Path; from baselake.catalog import connection;"
        " connection._migrate = lambda *_: os._exit(9);"
        " from baselake.catalog.catalog import create; create(Path(sys.argv[1]), catalog=sys.argv[2])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "lake"), database], check=False, capture_output=True
    )
    assert done.returncode == 9, done.stderr
    with pytest.raises(NotFoundError):
        connect(tmp_path / "lake", settings)
    assert create(tmp_path / "lake", config, catalog=database)
    with connect(tmp_path / "lake") as catalog:
        write_reads(catalog, "R", 1)
        assert count(catalog, "runs") == 1


def test_a_password_is_never_kept(tmp_path: Path, config: Config) -> None:
    for url in ("postgresql://me:secret@db/lake", "postgresql://db/lake?password=secret"):
        with pytest.raises(InputError, match="PGPASSWORD") as raised:
            create(tmp_path / "lake", config, catalog=url)
        assert "secret" not in str(raised.value)
    assert not (tmp_path / "lake").exists()
    with pytest.raises(InputError, match="not a database's URL"):
        create(tmp_path / "lake", config, catalog="mysql://db/lake")


def test_a_server_that_does_not_answer_is_named(tmp_path: Path, config: Config) -> None:
    url = f"postgresql://nobody@/lake?host={tmp_path}"
    with pytest.raises(LakeError, match=rf"{re.escape(url)}: the catalog's database cannot be reached"):
        create(tmp_path / "lake", config, catalog=url)
    assert not (tmp_path / "lake" / "baselake.toml").exists()


def test_a_lake_has_one_catalog(lake: Path, tmp_path: Path, database: str, config: Config) -> None:
    with pytest.raises(ConflictError, match=r"the lake's catalog is catalog\.sqlite"):
        create(lake, config, catalog=database)
    create(tmp_path / "shared", config, catalog=database)
    settings = load_config(tmp_path / "shared", {})
    with pytest.raises(ConflictError, match=re.escape(database)):
        create(tmp_path / "shared", settings, catalog="postgresql://db/other")
    assert create(tmp_path / "shared", settings, catalog=database) is False
