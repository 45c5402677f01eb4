"""Which files queries read is counted, and policy goes by it."""

import os
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.tiers import heat as heats
from baselake.catalog.tiers.define import add_tier
from baselake.catalog.tiers.heat import count_reads, read_heat
from baselake.catalog.tiers.placement import held_files
from baselake.catalog.tiers.policy import apply_policy
from baselake.catalog.tiers.settings import set_rule
from baselake.config import Config
from baselake.lake.tiers import Rule, Tier

from .lakes import tiers_of_reads, write_run


@pytest.fixture
def counted(lake: Path, config: Config, tape: Tier) -> Path:
    """A lake of two runs with a second tier, of which nothing has been read."""
    with connect(lake, config) as catalog:
        add_tier(catalog, tape)
        for run in ("R1", "R2"):
            write_run(catalog, run)
    for path in (lake / "reads").glob("*"):
        path.unlink()
    return lake


def reads(catalog: Catalog) -> dict[str, int]:
    """How often each run's file was read."""
    heat = read_heat(catalog)
    return {
        one.path.split("run_id=")[1][:2]: heat[one.name].reads
        for one in held_files(catalog)
        if one.name in heat
    }


def ask(lake: Path, config: Config, *queries: str) -> None:
    with connect(lake, config, read_only=True) as reader:
        for query in queries:
            reader.query(query)
            reader.stream(query).read_all()


def test_a_query_counts_for_the_files_it_opened(counted: Path, config: Config) -> None:
    ask(counted, config, "SELECT seq FROM read_records WHERE run_id = 'R1'")
    with connect(counted, config) as catalog:
        assert reads(catalog) == {"R1": 2}
        assert count_reads(catalog) == 1
        assert reads(catalog) == {"R1": 2}
        assert list(catalog.layout.reads.iterdir()) == []
    ask(counted, config, "SELECT seq FROM reads", "SELECT count(*) FROM read_records")
    with connect(counted, config) as catalog:
        assert reads(catalog) == {"R1": 4, "R2": 2}  # count(*) opened none
        count_reads(catalog)
        assert reads(catalog) == {"R1": 4, "R2": 2}


def test_what_is_read_is_not_idle(counted: Path, config: Config) -> None:
    ask(counted, config, "SELECT seq FROM read_records WHERE run_id = 'R1'")
    with connect(counted, config) as catalog:
        now = max(one.last_read for one in read_heat(catalog).values())
        set_rule(catalog, Rule(table="read_records", tier="tape", idle_seconds=1000))
        # Both were written long ago.
        catalog.connection.execute("UPDATE __ducklake_metadata_lake.baselake_files SET written = 1")
        assert apply_policy(catalog, now=now + 500).files == 1
        assert tiers_of_reads(catalog) == {"hot": 1, "tape": 1}
        assert apply_policy(catalog, now=now + 1000).files == 1


def test_on_a_lake_that_cannot_be_written_nothing_is_kept(
    counted: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heats.os, "access", lambda *_: False)
    ask(counted, config, "SELECT seq FROM read_records")
    assert list((counted / "reads").glob("*")) == []


def test_a_query_does_not_fail_because_it_cannot_be_counted(
    counted: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    ask(counted, config, "SELECT seq FROM read_records")


def test_a_long_lived_process_writes_down_what_it_read_now_and_then(
    counted: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    from baselake.catalog.tiers import remote

    monkeypatch.setattr(remote, "_SPOOL_SECONDS", 0.0)
    with connect(counted, config, read_only=True) as reader:
        reader.query("SELECT seq FROM read_records")
        reader.query("SELECT 1")
        assert len(os.listdir(counted / "reads")) == 1


def test_a_lake_of_one_tier_counts_nothing(catalog: Catalog) -> None:
    write_run(catalog, "R1")
    catalog.query("SELECT seq FROM read_records")
    assert catalog.query("SELECT count(*) AS n FROM duckdb_logs")["n"][0].as_py() == 0
    catalog.close()
    assert not catalog.layout.reads.exists()


def test_a_count_that_a_power_cut_emptied_is_left_out_and_goes(counted: Path, config: Config) -> None:
    ask(counted, config, "SELECT seq FROM read_records WHERE run_id = 'R1'")
    (counted / "reads" / "1-cut").touch()
    (counted / "reads" / "2-cut").write_text('{"a.parq')
    with connect(counted, config) as catalog:
        assert reads(catalog) == {"R1": 2}
        apply_policy(catalog)
        assert reads(catalog) == {"R1": 2}
        assert list(catalog.layout.reads.iterdir()) == []
