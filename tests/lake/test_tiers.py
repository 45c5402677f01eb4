"""Policy is a function of what lies where, how old and how warm it is."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselake.lake.tiers import (
    HOT,
    PlacedFile,
    Rule,
    Tier,
    applied,
    duration,
    parse_duration,
    plan,
)

NOW = 1_000_000_000
DAY = 86_400
TIERS = (
    Tier(name=HOT, url=""),
    Tier(name="warm", url="s3://b/w"),
    Tier(name="cold", url="/tape", kind="cold"),
)


def file(name: str, **about: object) -> PlacedFile:
    known = {"table": "reads", "tier": HOT, "bytes": 10, "written": NOW - 100 * DAY}
    return PlacedFile(name=name, **{**known, **about})  # type: ignore[arg-type]


def moves(*arguments: object) -> dict[str, str]:
    """Where each file that moves goes."""
    return {move.file.name: move.tier for move in plan(*arguments, NOW).moves}  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------------
# Rules.


def test_a_file_moves_when_it_is_old_enough() -> None:
    rules = [Rule(table="reads", tier="warm", after_seconds=30 * DAY)]
    files = [file("old"), file("new", written=NOW - 30 * DAY + 1), file("edge", written=NOW - 30 * DAY)]
    assert moves(files, TIERS, rules) == {"old": "warm", "edge": "warm"}


def test_a_rule_is_of_its_table() -> None:
    rules = [Rule(table="alignments", tier="warm", after_seconds=0)]
    assert moves([file("r"), file("a", table="alignments")], TIERS, rules) == {"a": "warm"}


def test_what_was_read_lately_stays_where_idleness_counts() -> None:
    rules = [Rule(table="reads", tier="warm", idle_seconds=10 * DAY)]
    files = [file("read", last_read=NOW - DAY), file("idle", last_read=NOW - 10 * DAY), file("never")]
    assert moves(files, TIERS, rules) == {"idle": "warm", "never": "warm"}
    assert moves([file("fresh", written=NOW)], TIERS, rules) == {}


def test_both_ages_must_be_reached_where_both_are_given() -> None:
    rules = [Rule(table="reads", tier="warm", after_seconds=30 * DAY, idle_seconds=10 * DAY)]
    files = [file("both"), file("read", last_read=NOW), file("young", written=NOW - 20 * DAY)]
    assert moves(files, TIERS, rules) == {"both": "warm"}


def test_of_several_rules_the_one_that_leads_furthest_counts() -> None:
    rules = [
        Rule(table="reads", tier="cold", after_seconds=50 * DAY),
        Rule(table="reads", tier="warm", after_seconds=10 * DAY),
    ]
    files = [file("a"), file("b", written=NOW - 20 * DAY), file("c", tier="warm")]
    assert moves(files, TIERS, rules) == {"a": "cold", "b": "warm", "c": "cold"}


def test_nothing_moves_up_and_nothing_that_is_pinned_moves() -> None:
    rules = [Rule(table="reads", tier="warm", after_seconds=0)]
    assert moves([file("deep", tier="cold"), file("pinned", pinned=True)], TIERS, rules) == {}


# ---------------------------------------------------------------------------------------------------------
# Marks and capacity.


def marked(**about: object) -> tuple[Tier, ...]:
    hot = replace(TIERS[0], capacity_bytes=100, high=0.9, low=0.5)
    return (replace(hot, **about), *TIERS[1:])  # type: ignore[arg-type]


def test_above_the_high_mark_the_coldest_go_until_below_the_low_one() -> None:
    files = [file(str(n), written=NOW - 100 + n) for n in range(9)]
    assert moves(files, marked(), []) == {}  # at the mark, not above it
    files.append(file("9", last_read=NOW))
    assert moves(files, marked(), []) == {str(n): "warm" for n in range(5)}
    warmed = [replace(files[0], last_read=NOW), *files[1:]]
    assert moves(warmed, marked(), []) == {str(n): "warm" for n in range(1, 6)}


def test_what_moves_by_a_rule_counts_before_the_marks() -> None:
    rules = [Rule(table="reads", tier="cold", after_seconds=50)]
    files = [file(str(n), written=NOW - 100 + 10 * n) for n in range(10)]
    assert moves(files, marked(), rules) == {str(n): "cold" for n in range(6)}


def test_a_full_tier_takes_nothing_and_that_is_told() -> None:
    rules = [Rule(table="reads", tier="warm", after_seconds=0)]
    tiers = (TIERS[0], replace(TIERS[1], capacity_bytes=25), TIERS[2])
    todo = plan([file(str(n)) for n in range(4)], tiers, rules, NOW)
    assert [move.file.name for move in todo.moves] == ["0", "1"]
    assert [(move.file.name, move.tier) for move in todo.kept_back] == [("2", "warm"), ("3", "warm")]


def test_marks_lead_past_a_full_tier() -> None:
    tiers = (marked()[0], replace(TIERS[1], capacity_bytes=10), TIERS[2])
    assert Counter(moves([file(str(n)) for n in range(10)], tiers, []).values()) == {"warm": 1, "cold": 4}


def test_the_reason_is_told() -> None:
    rules = [Rule(table="reads", tier="warm", after_seconds=30 * DAY, idle_seconds=3600)]
    (move,) = plan([file("a")], TIERS, rules, NOW).moves
    assert move.reason == "30d old and not read for 1h"
    (move,) = plan([file("a", bytes=95)], marked(), [], NOW).moves
    assert move.reason == "hot is more than 90% full"


names = st.sampled_from([tier.name for tier in TIERS])
tables = st.sampled_from(["reads", "alignments"])
ages = st.none() | st.integers(0, 100)
places = st.builds(
    PlacedFile,
    name=st.uuids().map(str),
    table=tables,
    tier=names | st.just("forgotten"),
    bytes=st.integers(0, 50),
    written=st.integers(NOW - 100, NOW),
    last_read=st.none() | st.integers(NOW - 100, NOW),
    pinned=st.booleans(),
)
rule_sets = st.lists(st.builds(Rule, table=tables, tier=names, after_seconds=ages, idle_seconds=ages))
sizes = st.none() | st.integers(0, 500)


@st.composite
def tier_sets(draw: st.DrawFn) -> list[Tier]:
    found = []
    for tier in TIERS:
        low, high = sorted(draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
        marks = draw(st.sampled_from([(None, None), (high, low), (high, None)]))
        found.append(replace(tier, capacity_bytes=draw(sizes), high=marks[0], low=marks[1]))
    return found


@given(st.lists(places, unique_by=lambda file: file.name), tier_sets(), rule_sets)
def test_a_plan_keeps_to_its_bounds(files: list[PlacedFile], tiers: list[Tier], rules: list[Rule]) -> None:
    todo = plan(files, tiers, rules, NOW)
    order = [tier.name for tier in tiers]
    assert len({move.file.name for move in todo.moves}) == len(todo.moves)
    for move in todo.moves:
        assert not move.file.pinned
        assert order.index(move.tier) > order.index(move.file.tier)
    before, after = (
        Counter({name: sum(f.bytes for f in held if f.tier == name) for name in order})
        for held in (files, applied(files, todo.moves))
    )
    for tier in tiers:
        if tier.capacity_bytes is not None:
            # A tier that was overfull to begin with may stay so, and becomes no fuller.
            assert after[tier.name] <= max(tier.capacity_bytes, before[tier.name])
    assert plan(reversed(files), tiers, rules, NOW) == todo  # whatever order files come in


@given(st.lists(places, unique_by=lambda file: file.name), tier_sets(), rule_sets)
def test_marks_hold_afterwards_or_it_is_told_why(
    files: list[PlacedFile], tiers: list[Tier], rules: list[Rule]
) -> None:
    todo = plan(files, tiers, rules, NOW)
    then = applied(files, todo.moves)
    for tier in tiers[:-1]:
        held = [one for one in then if one.tier == tier.name]
        if tier.high is None or tier.capacity_bytes is None:
            continue
        if sum(one.bytes for one in held) > tier.high * tier.capacity_bytes:
            told = {move.file.name for move in todo.kept_back}
            assert all(one.pinned or one.name in told for one in held)


@given(st.lists(places, unique_by=lambda file: file.name), rule_sets)
def test_with_room_for_all_one_plan_is_enough(files: list[PlacedFile], rules: list[Rule]) -> None:
    todo = plan(files, TIERS, rules, NOW)
    assert todo.kept_back == ()
    assert plan(applied(files, todo.moves), TIERS, rules, NOW).moves == ()


@pytest.mark.parametrize(("text", "seconds"), [("30d", 30 * DAY), ("12h", 43_200), ("15m", 900), ("90s", 90)])
def test_times_are_typed_with_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds
    assert duration(seconds) == text


@pytest.mark.parametrize("text", ["", "d", "30", "-1d", "1.5d", "1w"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time such as 30d"):
        parse_duration(text)
