"""Tiers of storage, and which file policy would move where: nothing here touches a file.

Tiers stand in order, the hot one first. Policy only moves files down; up they come by a recall.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

HOT = "hot"
Kind = Literal["online", "cold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A place where data files lie.

    Attributes:
        name: of the tier.
        url: of its store: `s3://bucket/prefix` or an absolute path; empty: the lake's own folder, which is the hot
            tier and may be mounted elsewhere on each node.
        kind: `online`: queries read it; `cold`: its files must be recalled first.
        capacity_bytes: what it may hold; None: it has no end.
        cost_per_tb_month: of 10^12 bytes, in the operator's currency; None: not known.
        zone: where it stands, or on which node; for people, and for who places work near data.
        high: the share of its capacity above which its coldest files move on; None: they never do for that.
        low: the share down to which they do.
    """

    name: str
    url: str
    kind: Kind = "online"
    capacity_bytes: int | None = None
    cost_per_tb_month: float | None = None
    zone: str = ""
    high: float | None = None
    low: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Files of a table move down to a tier when both ages are reached.

    Attributes:
        table: the table.
        tier: where they go.
        after_seconds: since a file came into the lake; None: at any age.
        idle_seconds: since it was last read, or came into the lake; None: however lately it was.
    """

    table: str
    tier: str
    after_seconds: int | None = None
    idle_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedFile:
    """A data file as policy sees it.

    Attributes:
        name: unique in the lake.
        table: the table.
        tier: the name of the tier that has it.
        bytes: its size.
        written: when it came into the lake, in seconds since 1970.
        last_read: when a query last read it; None: none is known of.
        pinned: it stays where it is.
    """

    name: str
    table: str
    tier: str
    bytes: int
    written: int
    last_read: int | None = None
    pinned: bool = False

    @property
    def touched(self) -> int:
        """When it was last read, or came into the lake."""
        return max(self.written, self.last_read or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A file that is to move.

    Attributes:
        file: as it lies now.
        tier: where it goes.
        reason: why, for people.
    """

    file: PlacedFile
    tier: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What policy would do.

    Attributes:
        moves: the coldest file first.
        kept_back: what should move, and cannot for want of room, by the tier that is full.
    """

    moves: tuple[Move, ...]
    kept_back: tuple[Move, ...]


def plan(files: Iterable[PlacedFile], tiers: Sequence[Tier], rules: Sequence[Rule], now: int) -> Plan:
    """Decide what moves.

    First the rules, for each file the one that leads furthest; then, from the hot tier on, each tier that is filled
    above its high mark loses its coldest files to the next one with room, until it is below its low mark. No file is
    put where the capacity would be exceeded, and none moves up.

    Args:
        files: all files; those of a tier that is not in `tiers` are left alone.
        tiers: in order, the hot one first.
        rules: of all tables.
        now: seconds since 1970.
    """
    order = {tier.name: number for number, tier in enumerate(tiers)}
    here = sorted((file for file in files if file.tier in order), key=lambda file: (file.touched, file.name))
    used = [0] * len(tiers)
    for file in here:
        used[order[file.tier]] += file.bytes
    moves: dict[str, Move] = {}
    kept_back: list[Move] = []

    def fits(tier: int, size: int) -> bool:
        capacity = tiers[tier].capacity_bytes
        return capacity is None or used[tier] + size <= capacity

    def move(file: PlacedFile, source: int, target: int, reason: str) -> None:
        used[source] -= file.bytes
        used[target] += file.bytes
        moves[file.name] = Move(file=file, tier=tiers[target].name, reason=reason)

    for file in here:
        held = order[file.tier]
        wanted = [rule for rule in rules if rule.tier in order and _applies(rule, file, now)]
        if file.pinned or not wanted:
            continue
        rule = max(wanted, key=lambda rule: order[rule.tier])
        target = order[rule.tier]
        if target <= held:
            continue
        if fits(target, file.bytes):
            move(file, held, target, _words(rule))
        else:
            kept_back.append(Move(file=file, tier=rule.tier, reason=_words(rule)))

    for number, tier in enumerate(tiers[:-1]):
        if (
            tier.high is None
            or tier.capacity_bytes is None
            or used[number] <= tier.high * tier.capacity_bytes
        ):
            continue
        goal = (tier.low if tier.low is not None else tier.high) * tier.capacity_bytes
        reason = f"{tier.name} is more than {tier.high:.0%} full"
        for file in here:
            if used[number] <= goal:
                break
            now_in = moves[file.name].tier if file.name in moves else file.tier
            if now_in != tier.name or file.pinned:
                continue
            room = [below for below in range(number + 1, len(tiers)) if fits(below, file.bytes)]
            if room:
                move(file, number, room[0], reason)
            else:
                kept_back.append(Move(file=file, tier=tiers[number + 1].name, reason=reason))
    return Plan(moves=tuple(moves.values()), kept_back=tuple(kept_back))


def applied(files: Iterable[PlacedFile], moves: Iterable[Move]) -> list[PlacedFile]:
    """The files as they lie when the moves were made."""
    targets = {move.file.name: move.tier for move in moves}
    return [replace(file, tier=targets.get(file.name, file.tier)) for file in files]


def _applies(rule: Rule, file: PlacedFile, now: int) -> bool:
    return (
        rule.table == file.table
        and now - file.written >= (rule.after_seconds or 0)
        and now - file.touched >= (rule.idle_seconds or 0)
    )


def _words(rule: Rule) -> str:
    parts = []
    if rule.after_seconds is not None:
        parts.append(f"{duration(rule.after_seconds)} old")
    if rule.idle_seconds is not None:
        parts.append(f"not read for {duration(rule.idle_seconds)}")
    return " and ".join(parts) or "by policy"


def duration(seconds: int) -> str:
    """Seconds as `parse_duration` reads them, in the largest unit that is exact."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % length == 0 and seconds:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def parse_duration(text: str) -> int:
    """Seconds from `30d`, `12h`, `15m`, `90s`.

    Raises:
        ValueError: it is no such text.
    """
    units = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
    number, unit = text.strip()[:-1], text.strip()[-1:]
    if unit not in units or not number.isdigit():
        raise ValueError(f"{text!r} is not a time such as 30d, 12h, 15m or 90s")
    return int(number) * units[unit]
