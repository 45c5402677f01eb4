"""Tiers, rules and pins are kept by the catalog, and what cannot be is refused when it is said."""

import re
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.tiers import settings
from baselake.catalog.tiers.define import add_tier, remove_tier, set_tier, tier_from_text
from baselake.catalog.tiers.policy import apply_policy, recall
from baselake.catalog.tiers.settings import load_pins, load_rules, load_tiers, remove_rules, set_rule
from baselake.errors import ConflictError, InputError, NotFoundError, StorageError
from baselake.lake.tiers import Rule, Tier

from .lakes import send_all, write_run


def test_the_hot_tier_is_always_there_and_first(catalog: Catalog, tape: Tier) -> None:
    assert load_tiers(catalog.connection) == [Tier(name="hot", url="")]
    add_tier(catalog, tape)
    assert load_tiers(catalog.connection) == [Tier(name="hot", url=""), tape]
    marked = Tier(name="hot", url="", capacity_bytes=10**12, high=0.9, low=0.8, zone="node1")
    set_tier(catalog, marked)
    assert load_tiers(catalog.connection) == [marked, tape]


def test_what_is_changed_stays_in_order(catalog: Catalog, tape: Tier, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    second = Tier(name="second", url=str(tmp_path / "second"))
    add_tier(catalog, tape)
    add_tier(catalog, second)
    changed = Tier(name="tape", url=tape.url, kind="cold", cost_per_tb_month=2.5)
    set_tier(catalog, changed)
    assert load_tiers(catalog.connection)[1:] == [changed, second]
    remove_tier(catalog, "tape")
    assert load_tiers(catalog.connection)[1:] == [second]


@pytest.mark.parametrize("place", ["tape", "tape/below", ".", "lake", "lake/data/x"])
def test_a_place_within_another_is_refused(catalog: Catalog, tape: Tier, tmp_path: Path, place: str) -> None:
    add_tier(catalog, tape)
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    with pytest.raises(ConflictError, match=r"the place is within that of tier '(hot|tape)', or around it"):
        add_tier(catalog, Tier(name="other", url=str(tmp_path / place)))


def test_a_store_that_cannot_be_used_is_no_tier(catalog: Catalog, tmp_path: Path, bucket: str) -> None:
    for url in (str(tmp_path / "absent"), "s3://no-such-bucket/x"):
        with pytest.raises(StorageError, match=re.escape(url)):
            add_tier(catalog, Tier(name="bad", url=url))
    with pytest.raises(InputError, match="no store's URL"):
        add_tier(catalog, Tier(name="bad", url="ftp://host/x"))
    add_tier(catalog, Tier(name="good", url=bucket))
    assert [tier.name for tier in load_tiers(catalog.connection)] == ["hot", "good"]


def test_figures_that_cannot_be_are_refused(catalog: Catalog, tape: Tier) -> None:
    add_tier(catalog, tape)
    for figures, said in (
        ({"high": 0.5, "low": 0.8}, "marks"),
        ({"high": 90.0}, "marks"),
        ({"capacity_bytes": -1}, "capacity"),
        ({"cost_per_tb_month": -1.0}, "cost"),
    ):
        with pytest.raises(InputError, match=said):
            set_tier(catalog, Tier(name="tape", url=tape.url, kind="cold", **figures))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the hot tier is the lake's own folder"):
        set_tier(catalog, Tier(name="hot", url="/elsewhere"))
    with pytest.raises(ConflictError, match="there is a tier 'tape' already"):
        add_tier(catalog, tape)
    with pytest.raises(NotFoundError, match=r"no tier 'warm'.*The tiers are hot, tape"):
        set_tier(catalog, Tier(name="warm", url="/x"))


def test_a_tier_that_holds_files_or_copies_stays(catalog: Catalog, tape: Tier, later: int) -> None:
    add_tier(catalog, tape)
    write_run(catalog, "R1")
    send_all(catalog, "tape")
    apply_policy(catalog)
    with pytest.raises(ConflictError, match=r"1 files lie on tier 'tape'.*recall"):
        remove_tier(catalog, "tape")
    recall(catalog, "R1", keep_seconds=10 * 86_400)
    with pytest.raises(ConflictError, match=r"1 files that were moved away are still to be removed"):
        remove_tier(catalog, "tape")
    apply_policy(catalog, now=later)
    remove_tier(catalog, "tape")
    assert load_rules(catalog) == []


def test_rules_are_by_table_and_tier(catalog: Catalog, tape: Tier) -> None:
    add_tier(catalog, tape)
    rule = Rule(table="alignments", tier="tape", after_seconds=60)
    set_rule(catalog, rule)
    set_rule(catalog, Rule(table="read_records", tier="tape", idle_seconds=60))
    changed = Rule(table="alignments", tier="tape", after_seconds=90, idle_seconds=5)
    set_rule(catalog, changed)
    assert load_rules(catalog) == [changed, Rule(table="read_records", tier="tape", idle_seconds=60)]
    remove_rules(catalog, "alignments", "tape")
    assert [rule.table for rule in load_rules(catalog)] == ["read_records"]
    with pytest.raises(NotFoundError, match="there is no such rule"):
        remove_rules(catalog, "alignments")
    for wrong, error in (
        (Rule(table="runs", tier="tape", after_seconds=1), NotFoundError),
        (Rule(table="alignments", tier="none", after_seconds=1), NotFoundError),
        (Rule(table="alignments", tier="hot", after_seconds=1), InputError),
        (Rule(table="alignments", tier="tape"), InputError),
    ):
        with pytest.raises(error):
            set_rule(catalog, wrong)


def test_the_longer_pin_counts(catalog: Catalog) -> None:
    settings.pin(catalog, "S1", until=100)
    settings.pin(catalog, "S1", until=50)
    assert load_pins(catalog, 0) == {"S1": 100}
    assert load_pins(catalog, 100) == {}
    settings.pin(catalog, "S1")
    settings.pin(catalog, "S1", until=200)
    assert load_pins(catalog, 10**10) == {"S1": None}
    settings.unpin(catalog, "S1")
    with pytest.raises(NotFoundError, match="'S1' is not pinned"):
        settings.unpin(catalog, "S1")


def test_tiers_as_init_takes_them() -> None:
    assert tier_from_text("warm=s3://b/x") == Tier(name="warm", url="s3://b/x")
    assert tier_from_text("tape=cold:/mnt/t") == Tier(name="tape", url="/mnt/t", kind="cold")
    for text in ("warm", "=s3://b/x", "a b=/x", "warm=nothing"):
        with pytest.raises(InputError):
            tier_from_text(text)
