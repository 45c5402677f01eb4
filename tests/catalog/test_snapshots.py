"""Snapshots are found by number, name and time; a name is there whatever snapshot is looked at, and keeps it."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.snapshots import At, find_snapshot, name_snapshot, pinned_snapshots, unname_snapshot
from baselake.config import Config
from baselake.errors import ConflictError, InputError, LakeError, NotFoundError

from .history import delete, duckdb_cursor, maintain, newest
from .writer_process import write_reads


def find(catalog: Catalog, at: At) -> int:
    with duckdb_cursor(catalog) as cursor:
        return find_snapshot(cursor, at, "the lake")


def times(catalog: Catalog) -> dict[int, datetime]:
    rows = catalog.query(catalog.statement("snapshots"))
    return dict(zip(rows["snapshot"].to_pylist(), rows["time"].to_pylist(), strict=True))


@pytest.fixture
def past(catalog: Catalog) -> Catalog:
    """A lake of five snapshots, 1 to 5, each later than the last by some hundredths of a second."""
    for run in range(4):
        time.sleep(0.02)
        write_reads(catalog, f"R{run}", 1)
    return catalog


def test_by_number_and_by_time(past: Catalog) -> None:
    assert newest(past) == 5
    assert [find(past, at) for at in (1, "3", 5)] == [1, 3, 5]
    for snapshot, when in list(times(past).items())[1:]:
        assert find(past, when) == snapshot
        assert find(past, when.isoformat()) == snapshot
        assert find(past, when + timedelta(milliseconds=1)) == snapshot
    assert find(past, "2999-01-01") == 5
    assert find(past, datetime.now()) == 5


def test_a_time_without_a_zone_is_of_this_machine(
    past: Catalog, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")  # 5:45 before UTC
    request.addfinalizer(time.tzset)
    time.tzset()
    when = times(past)[3].astimezone(UTC) + timedelta(hours=5, minutes=45, milliseconds=1)
    assert find(past, when.replace(tzinfo=None).isoformat()) == 3
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("at", "error", "says"),
    [
        (0, NotFoundError, r"no snapshot 0\. The first was 1, the newest is 5"),
        ("6", NotFoundError, "no snapshot 6"),
        ("before-review", NotFoundError, "no snapshot is named 'before-review'. No snapshot has a name"),
        ("2020-01-01", NotFoundError, r"was not there at 2020-01-01.* Its first snapshot is of 20"),
        ("2020-13-01", InputError, "'2020-13-01' tells no snapshot"),
        ("-1", InputError, "tells no snapshot"),
    ],
)
def test_what_is_not_there_is_told(past: Catalog, at: At, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        find(past, at)


def test_an_expired_snapshot_says_so(past: Catalog) -> None:
    when = times(past)
    maintain(past, "ducklake_expire_snapshots('lake', versions => [3])")
    with pytest.raises(NotFoundError, match="snapshot 3 has expired"):
        find(past, 3)
    # Between 2 and 4 the lake's state was 2 for a while, then 3: which it was at a time is not known any more.
    for late in (when[2], when[3]):
        with pytest.raises(NotFoundError, match=r"has expired.*The last one kept before it is 2"):
            find(past, late)
    assert [find(past, when[snapshot]) for snapshot in (1, 4, 5)] == [1, 4, 5]
    maintain(past, "ducklake_expire_snapshots('lake', versions => [0, 1, 2])")
    with pytest.raises(NotFoundError, match=r"snapshot 1 has expired.*kept from 4 on"):
        find(past, 1)
    with pytest.raises(NotFoundError, match=r"has expired.*Snapshots are kept from 4 on"):
        find(past, when[1])


def test_a_name_is_there_whatever_snapshot_is_looked_at(past: Catalog, lake: Path, config: Config) -> None:
    assert name_snapshot(past, "review-2026.03", 3) == 3
    assert name_snapshot(past, "now") == 5
    assert name_snapshot(past, "review-2026.03", 3) == 3  # said twice is said once
    assert pinned_snapshots(past) == {3, 5}
    write_reads(past, "R9", 1)
    for at in (1, "review-2026.03", "now", None):
        with connect(lake, config, read_only=True, at=at) as then:
            assert find(then, "review-2026.03") == 3
            assert find(then, "now") == 5
    with connect(lake, config, at="review-2026.03") as then:
        assert then.query("SELECT count(*) AS n FROM runs")["n"].to_pylist() == [2]
    with pytest.raises(NotFoundError, match=r"named 'then'\. The names are now, review-2026\.03"):
        find(past, "then")


def test_a_name_is_of_one_snapshot_until_it_is_taken_away(past: Catalog) -> None:
    name_snapshot(past, "good", 2)
    with pytest.raises(ConflictError, match="snapshot 2 is named 'good' already"):
        name_snapshot(past, "good", 3)
    assert unname_snapshot(past, "good") == 2
    assert pinned_snapshots(past) == set()
    with pytest.raises(NotFoundError, match="no snapshot is named 'good'"):
        unname_snapshot(past, "good")
    assert name_snapshot(past, "good", 3) == 3


@pytest.mark.parametrize("name", ["", "1st", "2026-03-01", "a b", "-x", "x" * 101, "ä"])
def test_a_name_cannot_be_mistaken(past: Catalog, name: str) -> None:
    with pytest.raises(InputError, match="cannot be a snapshot's name"):
        name_snapshot(past, name)


def test_what_cannot_be_looked_at_cannot_be_named(past: Catalog) -> None:
    for at in (0, 9, "no-such-name"):
        with pytest.raises(NotFoundError):
            name_snapshot(past, "name", at)


def test_a_lake_opened_for_reading_takes_no_name(past: Catalog, lake: Path, config: Config) -> None:
    with (
        connect(lake, config, read_only=True) as reader,
        pytest.raises(LakeError, match="open for reading only"),
    ):
        name_snapshot(reader, "name")


def test_the_list_tells_what_each_brought_and_which_job(past: Catalog) -> None:
    delete(past, "read_records", "run_id = 'R0'")
    name_snapshot(past, "b", 4)
    name_snapshot(past, "a", 4)
    rows = past.query(past.statement("snapshots")).to_pylist()
    assert [row["snapshot"] for row in rows] == [0, 1, 2, 3, 4, 5, 6]
    jobs = past.query("SELECT job_id FROM lineage ORDER BY started")["job_id"].to_pylist()
    assert [row["job_id"] for row in rows[2:]] == [*jobs, None]
    assert [row["operation"] for row in rows[2:]] == ["ingest"] * 4 + [None]
    assert [row["names"] for row in rows] == [None] * 4 + [["a", "b"]] + [None] * 2
    assert rows[5] | {"time": None, "job_id": None} == {
        "snapshot": 5,
        "time": None,
        "names": None,
        "operation": "ingest",
        "job_id": None,
        "changed": ["lineage", "read_records", "runs"],
        "files_added": 3,
        "rows_added": 3,
    }
    assert rows[6]["changed"] == ["read_records"]


def test_status_is_that_of_the_snapshot(past: Catalog, lake: Path, config: Config) -> None:
    for snapshot in (1, 3, 5):
        with connect(lake, config, at=snapshot) as then:
            rows = {row["table"]: row for row in then.query(then.statement("status")).to_pylist()}
        assert (rows["read_records"]["rows"], rows["runs"]["files"]) == (snapshot - 1, snapshot - 1)
        assert {row["snapshot"] for row in rows.values()} == {snapshot}
