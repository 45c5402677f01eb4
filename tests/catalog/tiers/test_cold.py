"""Files on a cold tier: a query says what must be recalled, and a recall brings it."""

import re
from pathlib import Path

import pyarrow as pa
import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.tiers import policy
from baselake.catalog.tiers.define import add_tier
from baselake.catalog.tiers.placement import Stores, held_files
from baselake.catalog.tiers.policy import apply_policy, recall
from baselake.catalog.tiers.settings import load_pins
from baselake.errors import NotFoundError, StorageError
from baselake.lake.store import LocalStore
from baselake.lake.tiers import Tier

from ..shown import decoded
from .lakes import EVERYTHING, missing_files, send_all, tiers_of_reads, unknown_files, write_run


@pytest.fixture
def frozen(catalog: Catalog, tape: Tier, later: int) -> Catalog:
    """A lake of three runs, all of whose reads are on tape."""
    add_tier(catalog, tape)
    for run in ("R 1", "R2", "R3"):
        write_run(catalog, run, files=2)
    send_all(catalog, "tape")
    assert apply_policy(catalog).files == 6
    apply_policy(catalog, now=later)
    return catalog


@pytest.mark.parametrize(
    "ask",
    [
        lambda catalog, sql: catalog.query(sql),
        lambda catalog, sql: catalog.stream(sql).read_all(),
        lambda catalog, sql: catalog.relation(sql).to_arrow_table(),
    ],
    ids=["query", "stream", "relation"],
)
def test_a_query_names_what_must_be_recalled(frozen: Catalog, ask: object, tape: Tier) -> None:
    wanted = (
        rf"{tape.url}/main/read_records/run_id=R%201/.*parquet: the file is on tier 'tape', from which it must be"
        r" recalled first. Run: baselake tiers recall 'R 1' --table read_records"
    )
    with pytest.raises(StorageError, match=wanted), frozen.reading():
        ask(frozen, "SELECT seq FROM read_records WHERE run_id = 'R 1'")  # type: ignore[operator]


def test_what_the_catalog_knows_is_answered_without_the_files(frozen: Catalog) -> None:
    assert frozen.query("SELECT count(*) AS n FROM read_records")["n"][0].as_py() == 120
    assert frozen.query("SELECT seq FROM read_records WHERE run_id = 'none'").num_rows == 0


def test_what_is_recalled_is_read_and_the_rest_is_not(frozen: Catalog, later: int) -> None:
    done, waiting = recall(frozen, "R 1")
    assert (done.files, waiting) == (2, 0)
    assert frozen.query("SELECT seq FROM read_records WHERE run_id = 'R 1'").num_rows == 40
    with pytest.raises(StorageError, match="recall R2"):
        frozen.query("SELECT seq FROM read_records WHERE run_id = 'R2'")
    assert tiers_of_reads(frozen) == {"hot": 2, "tape": 4}
    assert set(load_pins(frozen, 0)) == {"R 1"}
    recall(frozen, None, table="read_records")
    assert frozen.query(EVERYTHING).num_rows == 120
    apply_policy(frozen)  # pinned for a week, but for those recalled as a table
    assert (unknown_files(frozen), missing_files(frozen)) == (set(), set())


def test_a_recall_of_nothing_is_told(frozen: Catalog) -> None:
    with pytest.raises(NotFoundError, match=r"there are no files of 'R9'.*baselake runs"):
        recall(frozen, "R9")
    with pytest.raises(NotFoundError, match=r"no table 'runs' whose files move"):
        recall(frozen, "R2", table="runs")


def test_a_recall_that_the_disk_cannot_hold_is_not_begun(
    frozen: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = policy.shutil.disk_usage(frozen.layout.data)
    monkeypatch.setattr(policy.shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(StorageError, match=r"the hot tier has 10 bytes free, and [\d,]+ are to come"):
        recall(frozen, "R2")
    assert tiers_of_reads(frozen) == {"tape": 6}


def test_an_archive_is_asked_and_waited_for(frozen: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def request(_: LocalStore, name: str) -> bool:
        asked.append(name)
        return asked.count(name) > 2

    naps: list[float] = []
    monkeypatch.setattr(LocalStore, "request", request)
    monkeypatch.setattr(policy.time, "sleep", naps.append)
    done, waiting = recall(frozen, "R2")
    assert (done.files, waiting) == (0, 2)
    done, waiting = recall(frozen, "R2", wait=True)
    assert (done.files, waiting) == (2, 0)
    assert naps.count(60.0) == 1


def test_tape_that_is_not_mounted_is_named(frozen: Catalog, tape: Tier) -> None:
    Path(tape.url).rename(f"{tape.url}-away")
    with pytest.raises(StorageError, match=rf"{re.escape(tape.url)}.*No such file"):
        recall(frozen, "R2")
    Path(f"{tape.url}-away").rename(tape.url)
    assert recall(frozen, "R2")[0].files == 2


def test_a_job_that_needs_what_is_on_tape_says_so_and_changes_nothing(frozen: Catalog) -> None:
    with pytest.raises(Exception, match="tape"), frozen.record() as tx:
        tx.execute(f"DELETE FROM stored_reads WHERE run_id = 'R2' AND {decoded('name')} LIKE '%:3'")
    assert Stores(frozen).of("tape").size(held_files(frozen)[0].path) is not None
    with frozen.record() as tx:  # and nobody is kept from going on
        tx.insert("runs", pa.table({"run_id": ["R4"]}))
