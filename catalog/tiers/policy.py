"""What policy would move and moving it; bringing back what is asked for; how full tiers are."""

import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.tiers.heat import count_reads, read_heat
from baselake.catalog.tiers.move import Relocation, relocate
from baselake.catalog.tiers.placement import HeldFile, Stores, held_files, mover_lock, subject_of
from baselake.catalog.tiers.removals import pending_removals, remove_copies
from baselake.catalog.tiers.settings import check_table, load_pins, load_rules, load_tiers, pin
from baselake.errors import NotFoundError, StorageError
from baselake.lake.partition import OBJECTS, object_run
from baselake.lake.tiers import HOT, Move, PlacedFile, Plan, Tier, duration, plan
from baselake.progress import QUIET, Progress

_ASK_SECONDS = (
    60.0  # between two questions whether an archive has brought a file up; they take minutes to days
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What was done: files moved, their bytes, and old copies removed."""

    files: int
    bytes: int
    removed: int


def plan_moves(catalog: Catalog, now: int | None = None) -> Plan:
    """What policy would move now.

    Args:
        catalog: the lake.
        now: seconds since 1970; None: the clock's.
    """
    return _plan(catalog, held_files(catalog), int(time.time()) if now is None else now)


def _plan(catalog: Catalog, held: Iterable[HeldFile], now: int) -> Plan:
    heat = read_heat(catalog)
    pinned = [subject_of(catalog, name) for name in load_pins(catalog, now)]
    files = [
        PlacedFile(
            name=one.name,
            table=one.table,
            tier=one.tier,
            bytes=one.bytes,
            # A file that was never taken down came before releases that do so: it is old.
            written=one.written or 0,
            last_read=heat[one.name].last_read if one.name in heat else None,
            pinned=any(one.is_of(subject) for subject in pinned),
        )
        for one in held
    ]
    return plan(files, load_tiers(catalog.connection), load_rules(catalog), now)


def apply_policy(catalog: Catalog, progress: Progress = QUIET, now: int | None = None) -> Applied:
    """Move what policy moves, and remove old copies whose time has come.

    Args:
        catalog: the lake, open for writing.
        progress: counts bytes.
        now: seconds since 1970; None: the clock's.

    Raises:
        StorageError: a store fails, or a tier is full.
    """
    with mover_lock(catalog, progress):
        count_reads(catalog)
        removed = remove_copies(catalog, progress=progress, now=now)
    held = {one.name: one for one in held_files(catalog)}
    todo = _plan(catalog, held.values(), int(time.time()) if now is None else now)
    files, size = relocate(
        catalog, [Relocation(file=held[move.file.name], tier=move.tier) for move in todo.moves], progress
    )
    if todo.kept_back:
        raise _full(catalog, todo)
    return Applied(files=files, bytes=size, removed=removed)


def _full(catalog: Catalog, todo: Plan) -> StorageError:
    names = {move.tier for move in todo.kept_back}
    (first, *_) = (tier for tier in load_tiers(catalog.connection) if tier.name in names)
    held_back = sum(move.file.bytes for move in todo.kept_back if move.tier == first.name)
    return StorageError(
        f"tier {first.name!r} is full: {held_back:,} bytes that should move there stay where they are",
        first.url,
        "Raise its --capacity with baselake tiers set, or add a tier below it",
    )


def recall(
    catalog: Catalog,
    subject: str | None,
    *,
    table: str | None = None,
    wait: bool = False,
    keep_seconds: int = 7 * 86_400,
    progress: Progress = QUIET,
) -> tuple[Applied, int]:
    """Bring files to the hot tier; what was done, and how many files an archive has yet to bring up.

    Args:
        catalog: the lake, open for writing.
        subject: a sample, with the runs that have its reads, or a run; None: all of the table.
        table: only files of this one; None: of all, but that no query reads a run's kept files, which so do not come
            with a sample.
        wait: until every file is there.
        keep_seconds: how long policy leaves them there.
        progress: counts bytes.

    Raises:
        NotFoundError: there is nothing of that name.
        StorageError: a store fails, or the hot tier has no room.
    """
    if table is not None:
        check_table(table)
    of_subject = subject_of(catalog, subject) if subject is not None else None

    def wanted(one: HeldFile) -> bool:
        if table is not None:
            return one.table == table and (of_subject is None or one.is_of(of_subject))
        if of_subject is None:
            return False
        return one.is_of(of_subject) and (one.table != OBJECTS or object_run(one.path) == subject)

    held = [one for one in held_files(catalog) if wanted(one)]
    if not held:
        what = subject if subject is not None else f"table {table}"
        raise NotFoundError(
            f"there are no files of {what!r}",
            str(catalog.layout.root),
            "Name a sample (baselake samples) or a run (baselake runs)",
        )
    if subject is not None:
        pin(catalog, subject, int(time.time()) + keep_seconds)
    waiting = [one for one in held if one.tier != HOT]
    _need_room(catalog, sum(one.bytes for one in waiting))
    files = size = 0
    stores = Stores(catalog)
    while waiting:
        ready = [one for one in waiting if stores.of(one.tier, one.path).request(one.path)]
        moved, moved_bytes = relocate(catalog, [Relocation(file=one, tier=HOT) for one in ready], progress)
        files, size = files + moved, size + moved_bytes
        waiting = [one for one in waiting if one not in ready]
        if not waiting or not wait:
            break
        progress.note(f"{len(waiting):,} files are still in the archive")
        time.sleep(_ASK_SECONDS)
    return Applied(files=files, bytes=size, removed=0), len(waiting)


def _need_room(catalog: Catalog, size: int) -> None:
    free = shutil.disk_usage(catalog.layout.data).free
    if size > free:
        raise StorageError(
            f"the hot tier has {free:,} bytes free, and {size:,} are to come",
            str(catalog.layout.data),
            "Recall less with --table, or free space with baselake tiers apply",
        )


# ---------------------------------------------------------------------------------------------------------
# Figures.

_MONTH_TB = 10**12


def tier_figures(catalog: Catalog) -> pa.Table:
    """A row for each tier: what lies there, what it may hold and costs a month, and old copies still to go."""
    tiers = load_tiers(catalog.connection)
    held = held_files(catalog)
    leaving = pending_removals(catalog)
    stores = Stores(catalog)
    rows = [
        {
            "tier": tier.name,
            "kind": tier.kind,
            "url": tier.url or str(catalog.layout.data),
            "zone": tier.zone or None,
            "files": sum(1 for one in held if one.tier == tier.name),
            "bytes": (size := sum(one.bytes for one in held if one.tier == tier.name)),
            "capacity_bytes": tier.capacity_bytes,
            "marks": _marks(tier),
            "old_copy_bytes": sum(one.bytes for one in leaving if stores.tier_of(one.location) == tier.name),
            "cost_per_month": _cost(tier, size),
        }
        for tier in tiers
    ]
    return pa.Table.from_pylist(rows, schema=_FIGURES)


_FIGURES = pa.schema(
    [
        *((name, pa.string()) for name in ("tier", "kind", "url", "zone")),
        *((name, pa.int64()) for name in ("files", "bytes", "capacity_bytes")),
        ("marks", pa.string()),
        ("old_copy_bytes", pa.int64()),
        ("cost_per_month", pa.float64()),
    ]
)


def _marks(tier: Tier) -> str | None:
    if tier.high is None:
        return None
    return f"{tier.high:.0%} to {tier.high if tier.low is None else tier.low:.0%}"


def _cost(tier: Tier, size: int) -> float | None:
    return None if tier.cost_per_tb_month is None else round(tier.cost_per_tb_month * size / _MONTH_TB, 2)


def plan_rows(todo: Plan) -> pa.Table:
    """A plan by table, tiers and reason: files and bytes, and whether there is room for them."""
    sums: dict[tuple[str, str, str, str, bool], list[int]] = {}
    for moves, fits in ((todo.moves, True), (todo.kept_back, False)):
        for move in moves:
            found = sums.setdefault(_group(move, fits), [0, 0])
            found[0] += 1
            found[1] += move.file.bytes
    rows = [dict(zip(_PLAN.names, (*key, *counts), strict=True)) for key, counts in sorted(sums.items())]
    return pa.Table.from_pylist(rows, schema=_PLAN)


_PLAN = pa.schema(
    [
        *((name, pa.string()) for name in ("table", "from", "to", "reason")),
        ("room", pa.bool_()),
        *((name, pa.int64()) for name in ("files", "bytes")),
    ]
)


def _group(move: Move, fits: bool) -> tuple[str, str, str, str, bool]:
    return move.file.table, move.file.tier, move.tier, move.reason, fits


def rule_rows(catalog: Catalog) -> pa.Table:
    """The rules, with ages as they are typed."""
    return pa.table(
        {
            "table": pa.array([rule.table for rule in load_rules(catalog)], pa.string()),
            "to": pa.array([rule.tier for rule in load_rules(catalog)], pa.string()),
            "after": pa.array([_age(rule.after_seconds) for rule in load_rules(catalog)], pa.string()),
            "idle": pa.array([_age(rule.idle_seconds) for rule in load_rules(catalog)], pa.string()),
        }
    )


def _age(seconds: int | None) -> str | None:
    return None if seconds is None else duration(seconds)


def pin_rows(pins: Mapping[str, int | None]) -> pa.Table:
    """The pins; `until` in seconds since 1970."""
    return pa.table(
        {
            "pinned": pa.array(list(pins), pa.string()),
            "until": pa.array(
                [None if end is None else end * 10**6 for end in pins.values()], pa.timestamp("us", "UTC")
            ),
        }
    )
