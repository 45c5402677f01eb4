"""An earlier state comes back whole, in one new snapshot, without a data file written and with history kept."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.metadata import metadata_change
from baselake.catalog.restore import keep_shared_files, restore_snapshot
from baselake.catalog.snapshots import name_snapshot
from baselake.config import Config
from baselake.errors import ConflictError, LakeError, NotFoundError

from .history import State, delete, duckdb_cursor, maintain, merge, newest, state, two_states
from .shown import decoded
from .test_job import start_writer
from .writer_process import write_alleles, write_reads


def data_files(lake: Path) -> set[Path]:
    return set((lake / "data").rglob("*.parquet"))


def at(lake: Path, config: Config, snapshot: int) -> State:
    with connect(lake, config, at=snapshot) as then:
        return state(then)


@pytest.fixture
def moments(catalog: Catalog, lake: Path, config: Config) -> dict[int, State]:
    """Two states of the lake, the newest last."""
    return {snapshot: at(lake, config, snapshot) for snapshot in two_states(catalog)}


def test_what_was_added_goes_and_what_was_removed_returns(
    catalog: Catalog, lake: Path, config: Config, moments: dict[int, State]
) -> None:
    (then, before), (now, after) = moments.items()
    files = data_files(lake)
    assert restore_snapshot(catalog, then) == now + 1 == newest(catalog)
    assert state(catalog) == before  # rows, their numbers and lineage
    assert restore_snapshot(catalog, now) == now + 2
    assert state(catalog) == after
    assert {path for path in data_files(lake) - files if not path.stem.endswith("-delete")} == set()
    for snapshot, there in ((then, before), (now, after), (now + 1, before), (now + 2, after)):
        assert at(lake, config, snapshot) == there


def test_what_is_so_already_is_no_new_snapshot(catalog: Catalog, moments: dict[int, State]) -> None:
    then, now = moments
    assert restore_snapshot(catalog, now) == now
    restored = restore_snapshot(catalog, then)
    assert restore_snapshot(catalog, then) == restored == newest(catalog)


def test_by_name_and_told_in_the_list(catalog: Catalog, moments: dict[int, State]) -> None:
    then, before = next(iter(moments.items()))
    name_snapshot(catalog, "good", then)
    restored = restore_snapshot(catalog, "good")
    assert state(catalog) == before
    (row,) = catalog.query(f"FROM ({catalog.statement('snapshots')}) WHERE snapshot = {restored}").to_pylist()
    assert row["operation"] == f"restore of snapshot {then}"
    assert row["changed"] == ["lineage", "read_records", "runs", "variants"]


def test_statistics_are_those_of_the_rows(catalog: Catalog, moments: dict[int, State]) -> None:
    restore_snapshot(catalog, next(iter(moments)))
    for table, column in (("read_records", "name"), ("variants", "start"), ("runs", "run_id")):
        told = catalog.query(f"SELECT count(*) AS n, min({column}) AS l, max({column}) AS h FROM {table}")
        scanned = catalog.query(
            f"SELECT count(c) AS n, min(c) AS l, max(c) AS h FROM (SELECT {column} AS c FROM {table} ORDER BY random())"
        )
        assert told == scanned
    live = catalog.query(
        "SELECT table_id, sum(record_count)::BIGINT AS rows FROM __ducklake_metadata_lake.ducklake_data_file"
        " WHERE end_snapshot IS NULL GROUP BY table_id"
    ).to_pylist()
    totals = catalog.query(
        "SELECT table_id, record_count, next_row_id FROM __ducklake_metadata_lake.ducklake_table_stats"
    ).to_pylist()
    kept = {row["table_id"]: row for row in totals}
    for row in live:
        assert row["rows"] <= kept[row["table_id"]]["record_count"] <= kept[row["table_id"]]["next_row_id"]
    # What is sought is found by the files' statistics and partitions.
    assert len(catalog.query("FROM variants WHERE start = 3 AND contig = '1'")) == 1
    plan = str(catalog.query("EXPLAIN ANALYZE SELECT * FROM read_records WHERE run_id = 'R1'").to_pylist())
    assert "run_id=R1" in plan
    assert "run_id=R2" not in plan


def test_the_lake_goes_on_from_there(
    catalog: Catalog, lake: Path, config: Config, moments: dict[int, State]
) -> None:
    then, before = next(iter(moments.items()))
    restored = restore_snapshot(catalog, then)
    write_reads(catalog, "R4", 2)
    assert write_alleles(catalog, [1, 2, 3]) == 1  # 2 was deleted then
    delete(catalog, "read_records", f"run_id = 'R1' AND {decoded('name')} = 'r0'")
    ids = catalog.query("SELECT rowid FROM stored_reads")["rowid"].to_pylist()
    assert len(ids) == len(set(ids)) == 3 + 4 + 2 - 1
    assert at(lake, config, restored) == before


def test_a_reader_of_another_state_is_not_disturbed(
    catalog: Catalog, lake: Path, config: Config, moments: dict[int, State]
) -> None:
    then, now = moments
    with connect(lake, config, read_only=True) as reader:
        rows = reader.stream("SELECT name FROM read_records", batch_rows=1)
        first = rows.read_next_batch().num_rows
        restore_snapshot(catalog, then)
        assert first + sum(batch.num_rows for batch in rows) == len(moments[now]["read_records"])
        assert state(reader) == moments[then]


def test_of_merged_files_the_part_that_was_there_returns(
    catalog: Catalog, lake: Path, config: Config, moments: dict[int, State]
) -> None:
    (then, before), (now, after) = moments.items()
    merge(catalog)
    restored = restore_snapshot(catalog, then)
    assert state(catalog) == before
    write_reads(catalog, "R5", 1)
    merge(catalog)
    delete(catalog, "runs", "run_id = 'R2'")
    restore_snapshot(catalog, now)
    assert state(catalog) == after
    restore_snapshot(catalog, restored)
    assert state(catalog) == before
    for snapshot, there in ((then, before), (now, after), (restored, before)):
        assert at(lake, config, snapshot) == there


@pytest.mark.parametrize("seed", range(2))
def test_any_past_state_returns_after_any_history(
    catalog: Catalog, lake: Path, config: Config, seed: int
) -> None:
    rng = random.Random(seed)
    history: dict[int, State] = {newest(catalog): state(catalog)}
    for step in range(12):
        what = rng.choice(["add", "add", "alleles", "rows", "run", "merge", "restore", "restore"])
        if what == "add":
            write_reads(catalog, f"R{step}", rng.randint(1, 4))
        elif what == "alleles":
            write_alleles(catalog, rng.sample(range(20), 4))
        elif what == "rows":
            delete(catalog, "variants", f"start % 5 = {rng.randint(0, 4)}")
        elif what == "run":
            delete(
                catalog,
                "read_records",
                f"run_id = 'R{rng.randint(0, step)}' AND name <> 'r{rng.randint(0, 3)}'",
            )
        elif what == "merge":
            before = state(catalog)
            merge(catalog)
            assert state(catalog) == before
        else:
            then = rng.choice(list(history))
            restore_snapshot(catalog, then)
            assert state(catalog) == history[then]
        history[newest(catalog)] = state(catalog)
    for snapshot, there in history.items():
        assert at(lake, config, snapshot) == there


def test_files_that_a_snapshot_shares_outlive_expiry(
    catalog: Catalog, lake: Path, moments: dict[int, State]
) -> None:
    then, before = next(iter(moments.items()))
    restored = restore_snapshot(catalog, then)
    maintain(catalog, f"ducklake_expire_snapshots('lake', versions => {list(range(2, restored))})")
    # Without this, DuckLake would delete files that the newest snapshot has.
    assert keep_shared_files(catalog) > 0
    assert keep_shared_files(catalog) == 0
    maintain(catalog, "ducklake_cleanup_old_files('lake', cleanup_all => true)")
    assert state(catalog) == before
    names = catalog.query(
        "SELECT path FROM __ducklake_metadata_lake.ducklake_data_file"
        " UNION SELECT path FROM __ducklake_metadata_lake.ducklake_delete_file"
    )["path"].to_pylist()
    assert {path.name for path in data_files(lake)} == {name.rsplit("/", 1)[-1] for name in names}


def test_a_snapshot_that_lost_a_file_is_refused(
    catalog: Catalog, lake: Path, moments: dict[int, State]
) -> None:
    (then, _), (now, after) = moments.items()
    (lost,) = (lake / "data").glob("main/read_records/run_id=R1/**/*.parquet")
    lost.rename(lake / "lost")
    with pytest.raises(NotFoundError, match=f"run_id=R1.*a file of snapshot {then} is not there any more"):
        restore_snapshot(catalog, then)
    assert (newest(catalog), state(catalog)) == (now, after)
    (lake / "lost").rename(lost)
    restore_snapshot(catalog, then)


def test_a_snapshot_that_lost_an_object_is_refused(catalog: Catalog, lake: Path, tmp_path: Path) -> None:
    (tmp_path / "signal.pod5").write_bytes(b"signal")
    with catalog.job("keep") as job:
        stored = job.object(tmp_path / "signal.pod5", "R", "signal.pod5")
        with job.commit() as tx:
            tx.execute(
                "INSERT INTO objects (run_id, name, path) VALUES ('R', 'signal.pod5', ?)", [stored.path]
            )
    then = newest(catalog)
    delete(catalog, "objects", "run_id = 'R'")
    (lake / stored.path).unlink()
    with pytest.raises(NotFoundError, match="is not there any more"):
        restore_snapshot(catalog, then)


def test_a_column_that_was_dropped_since_is_not_lost_silently(
    catalog: Catalog, moments: dict[int, State]
) -> None:
    with duckdb_cursor(catalog) as cursor:
        cursor.execute("ALTER TABLE lake.runs DROP COLUMN bytes")
    with pytest.raises(ConflictError, match=r"runs\.bytes.*baselake sql --at"):
        restore_snapshot(catalog, next(iter(moments)))


def test_a_column_and_a_table_that_came_since_are_empty(catalog: Catalog, moments: dict[int, State]) -> None:
    with duckdb_cursor(catalog) as cursor:
        cursor.execute("ALTER TABLE lake.runs ADD COLUMN room VARCHAR")
        cursor.execute("UPDATE lake.runs SET room = 'cellar'")
        cursor.execute("CREATE TABLE lake.rooms AS SELECT 'cellar' AS room")
    restore_snapshot(catalog, next(iter(moments)))
    assert catalog.query("SELECT DISTINCT room FROM runs")["room"].to_pylist() == [None]
    assert len(catalog.query("FROM rooms")) == 0
    assert len(catalog.query("FROM schema_migrations")) > 0  # tells of the tables, which stay


def test_rows_in_the_catalog_itself_are_not_lost_silently(
    catalog: Catalog, moments: dict[int, State]
) -> None:
    with metadata_change(catalog, "the test's rows") as cursor:
        # As another program's DuckLake notes where it put rows of `runs`.
        cursor.execute(
            "INSERT INTO __ducklake_metadata_lake.ducklake_inlined_data_tables"
            " VALUES (11, 'ducklake_inlined_data_11_1', 1)"
        )
    with pytest.raises(LakeError, match="written rows into the catalog itself"):
        restore_snapshot(catalog, next(iter(moments)))


def test_what_a_job_kept_stays_after_its_lineage_was_undone(
    catalog: Catalog, lake: Path, tmp_path: Path
) -> None:
    """A job that died between its commit and its end, whose commit was then undone: a snapshot has its object."""
    then = newest(catalog)
    (tmp_path / "signal.pod5").write_bytes(b"signal")
    with catalog.job("keep") as job:
        stored = job.object(tmp_path / "signal.pod5", "R", "signal.pod5")
        journal = (lake / "jobs" / job.id).read_text()
        with job.commit() as tx:
            tx.execute(
                "INSERT INTO objects (run_id, name, path) VALUES ('R', 'signal.pod5', ?)", [stored.path]
            )
    restore_snapshot(catalog, then)
    (lake / "jobs" / job.id).write_text(journal)
    write_reads(catalog, "R", 1)  # sweeps
    assert not (lake / "jobs" / job.id).exists()
    assert (lake / stored.path).read_bytes() == b"signal"


def test_sigkill_in_a_restoration_leaves_one_of_both_states(
    catalog: Catalog, lake: Path, config: Config, moments: dict[int, State]
) -> None:
    names = ("first", "second")
    for name, snapshot in zip(names, moments, strict=True):
        name_snapshot(catalog, name, snapshot)
    merge(catalog)  # so that files of deleted rows are written, too
    for attempt in range(6):
        process = start_writer(lake, "restores", attempt, 100)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.03 + 0.05 * attempt)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with connect(lake, config, read_only=True) as reader:
            assert state(reader) in moments.values()
    for snapshot, there in moments.items():
        restore_snapshot(catalog, snapshot)
        assert state(catalog) == there == at(lake, config, snapshot)
    numbers = catalog.query(
        "SELECT snapshot_id AS n FROM __ducklake_metadata_lake.ducklake_snapshot ORDER BY n"
    )
    assert numbers["n"].to_pylist() == list(range(newest(catalog) + 1))
    registered = catalog.query(
        "SELECT path FROM __ducklake_metadata_lake.ducklake_data_file"
        " UNION SELECT path FROM __ducklake_metadata_lake.ducklake_delete_file"
        " UNION SELECT path FROM __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion"
    )["path"].to_pylist()
    assert {path.name for path in data_files(lake)} <= {name.rsplit("/", 1)[-1] for name in registered}
    assert not list((lake / "jobs").iterdir())
