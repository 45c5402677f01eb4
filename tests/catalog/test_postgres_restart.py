"""The database of a lake goes away and comes back: nothing is half done, and who has the lake open goes on."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pytest

from baselake.catalog.backends.postgres import _COMMIT_LOCK
from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.metadata import metadata_change
from baselake.catalog.tiers.settings import load_pins, pin
from baselake.catalog.upkeep.doctor import examine
from baselake.config import Config
from baselake.errors import LakeError
from tests.ingest.watch.fakes import make_world
from tests.postgres_server import PostgresServer

from .tiers.lakes import write_run


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    # Not below pytest's own folder, which only its user may enter: as root the server runs as another one.
    folder = Path(tempfile.mkdtemp(prefix="baselake-restarted-"))
    server = PostgresServer(folder)
    yield server
    server.delete()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def made(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory, config: Config) -> Path:
    lake = tmp_path_factory.mktemp("restarted") / "lake"
    create(lake, config, catalog=server.url)
    return lake


@pytest.fixture
def opened(made: Path, server: PostgresServer, config: Config) -> Iterator[Catalog]:
    with connect(made, replace(config, catalog=server.url)) as catalog:
        yield catalog


def runs(catalog: Catalog) -> list[str]:
    return catalog.query("SELECT run_id FROM runs ORDER BY 1")["run_id"].to_pylist()


def test_a_lake_that_is_open_is_used_on(opened: Catalog, server: PostgresServer) -> None:
    write_run(opened, "before")
    server.restart()
    assert "before" in runs(opened)
    write_run(opened, "after")
    assert {"before", "after"} <= set(runs(opened))


@pytest.mark.parametrize("comes_back", [True, False], ids=["restarted", "away"])
def test_a_commit_under_way_is_undone_and_done_again(
    opened: Catalog, server: PostgresServer, comes_back: bool
) -> None:
    def commit() -> None:
        with opened.job("ingest") as job:
            with job.writer("read_records", {"run_id": f"R-{comes_back}", "lane": 1}) as out:
                out.write(out_rows(f"R-{comes_back}"))
            with job.commit() as tx:
                tx.insert("runs", pa.table({"run_id": [f"R-{comes_back}"]}))
                server.kill()
                if comes_back:
                    server.start()

    with warnings.catch_warnings(), pytest.raises(LakeError, match=r"refused the ingest|cannot be reached"):
        warnings.simplefilter("ignore")  # that its files are left to the next writer
        commit()
    if not comes_back:
        server.start()
    assert f"R-{comes_back}" not in runs(opened)
    write_run(opened, f"next-{comes_back}")  # clears up
    assert examine(opened).findings == []
    assert not list(opened.layout.jobs.iterdir())
    assert not list(opened.layout.scratch.glob("2*"))
    write_run(opened, f"R-{comes_back}")
    assert f"R-{comes_back}" in runs(opened)


def out_rows(run: str) -> pa.Table:
    from .tiers.lakes import _reads

    return _reads(run, 1, 5)


def test_who_lost_the_commit_lock_commits_nothing(opened: Catalog, server: PostgresServer) -> None:
    """As when the session is ended alone, and DuckDB's own goes on."""
    with pytest.raises(LakeError, match="cannot be reached"), opened.record() as tx:
        tx.insert("runs", pa.table({"run_id": ["lost"]}))
        server.end_sessions(_COMMIT_LOCK)
    with pytest.raises(LakeError, match="cannot be reached"), metadata_change(opened, "a test") as cursor:
        cursor.execute("INSERT INTO __ducklake_metadata_lake.baselake_tier_pins (subject) VALUES ('lost')")
        server.end_sessions(_COMMIT_LOCK)
    assert "lost" not in runs(opened)
    assert "lost" not in load_pins(opened, 0)
    pin(opened, "kept")
    assert "kept" in load_pins(opened, 0)


def test_who_waits_for_the_commit_lock_is_told(
    opened: Catalog, server: PostgresServer, made: Path, config: Config
) -> None:
    said: list[str] = []

    def wait() -> None:
        with connect(made, replace(config, catalog=server.url)) as other:
            try:
                pin(other, "waits")
            except LakeError as error:
                said.append(str(error))

    with pytest.raises(LakeError), opened.record() as tx:
        tx.insert("runs", pa.table({"run_id": ["held"]}))
        waiting = Thread(target=wait)
        waiting.start()
        waiting.join(2)
        assert waiting.is_alive()
        server.restart()
    waiting.join(60)
    assert len(said) == 1
    assert "cannot be reached" in said[0]


def test_the_daemon_says_that_the_lake_fails_and_goes_on(
    opened: Catalog, server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(opened, tmp_path, monkeypatch)
    run = world.run()
    world.polls(2)
    server.kill()
    world.polls(3)
    failed = [line for line in world.lines if "the lake fails, trying again" in line]
    assert 1 <= len(failed) <= 2  # of the session that was lost, and of the server
    assert not world.daemon.idle()
    server.start()
    run.cycles = run.seen = 5
    world.polls()
    assert world.lines[-1].endswith("the lake is well again")
    assert world.record().cycles == 5
    run.ended, run.seen = True, 11
    world.polls(2)
    server.kill()  # while a worker is at it: what it answers is set down when the server is back
    world.processes.finish(run.folder, "refused", "nothing that is a run")
    world.polls(2)
    server.start()
    world.polls()
    assert (world.record().state, world.record().error) == ("quarantined", "nothing that is a run")
