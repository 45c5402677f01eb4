"""Adding, changing and removing tiers."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace

from baselake.catalog.catalog import Catalog
from baselake.catalog.metadata import metadata_change
from baselake.catalog.tiers.placement import held_files
from baselake.catalog.tiers.removals import pending_removals
from baselake.catalog.tiers.settings import find_tier, insert_row, load_tiers
from baselake.errors import ConflictError, InputError
from baselake.lake.store import check_url, open_store
from baselake.lake.tiers import HOT, Kind, Tier


def tier_from_text(text: str) -> Tier:
    """A tier as the command line has it: `NAME=URL`, or `NAME=cold:URL`.

    Raises:
        InputError: it is not so written, or the URL is none.
    """
    name, equals, url = text.partition("=")
    if not equals or not name.isidentifier():
        raise InputError(f"{text!r} is no tier", "", "Write it as NAME=URL, such as warm=s3://bucket/lake")
    kind: Kind = "cold" if url.startswith("cold:") else "online"
    return Tier(name=name, url=check_url(url.removeprefix("cold:")), kind=kind)


def add_tier(catalog: Catalog, tier: Tier) -> None:
    """Put a tier below those there are; its store is tried first.

    Raises:
        ConflictError: there is one of that name, or at that place.
        InputError: a figure of it cannot be.
        StorageError: its store cannot be used.
    """
    tier = _checked(replace(tier, url=check_url(tier.url)))
    root = str(catalog.layout.root)
    tiers = load_tiers(catalog.connection)
    for other in tiers:
        if other.name == tier.name:
            raise ConflictError(
                f"there is a tier {tier.name!r} already", root, "Change it: baselake tiers set"
            )
        place = other.url or root
        if f"{tier.url}/".startswith(f"{place}/") or f"{place}/".startswith(f"{tier.url}/"):
            raise ConflictError(
                f"the place is within that of tier {other.name!r}, or around it", tier.url, "Choose another"
            )
    open_store(tier.url).check()
    _keep(catalog, [*tiers, tier], new=tier.name)


def set_tier(catalog: Catalog, tier: Tier) -> None:
    """Change what is known of a tier; its URL only while nothing lies there.

    Raises:
        NotFoundError: there is none of that name.
        InputError: a figure of it cannot be.
        ConflictError: its URL changes, and files lie there.
        StorageError: its new store cannot be used.
    """
    old = find_tier(catalog, tier.name)
    tier = _checked(tier)
    if tier.url != old.url or tier.kind != old.kind:
        if tier.name == HOT:
            raise InputError(
                "the hot tier is the lake's own folder", str(catalog.layout.root), "Add a tier below it"
            )
        _refuse_used(catalog, old)
        open_store(tier.url).check()
    tiers = [tier if other.name == tier.name else other for other in load_tiers(catalog.connection)]
    _keep(catalog, tiers, new=tier.name if tier.url != old.url else None)


def remove_tier(catalog: Catalog, name: str) -> None:
    """Forget a tier where nothing lies, and the rules that lead there.

    Raises:
        NotFoundError: there is none of that name.
        ConflictError: files lie there.
        InputError: it is the hot tier.
    """
    tier = find_tier(catalog, name)
    if name == HOT:
        raise InputError("the hot tier is the lake's own folder", str(catalog.layout.root), "Leave it")
    _refuse_used(catalog, tier)
    with metadata_change(catalog, "the tiers") as cursor:
        cursor.execute("DELETE FROM __ducklake_metadata_lake.baselake_tiers WHERE name = ?", [name])
        cursor.execute("DELETE FROM __ducklake_metadata_lake.baselake_tier_rules WHERE tier = ?", [name])


def _refuse_used(catalog: Catalog, tier: Tier) -> None:
    held = [file for file in held_files(catalog) if file.tier == tier.name]
    leaving = [copy for copy in pending_removals(catalog) if copy.location.startswith(f"{tier.url}/")]
    if held:
        raise ConflictError(
            f"{len(held):,} files lie on tier {tier.name!r}", tier.url, "Recall them: baselake tiers recall"
        )
    if leaving:
        raise ConflictError(
            f"{len(leaving):,} files that were moved away are still to be removed from tier {tier.name!r}",
            tier.url,
            "Run baselake tiers apply when the grace period is over",
        )


def _checked(tier: Tier) -> Tier:
    for name, value in (("capacity", tier.capacity_bytes), ("cost", tier.cost_per_tb_month)):
        if value is not None and value < 0:
            raise InputError(f"a {name} below 0", f"tier {tier.name}", "Give one from 0 up")
    low, high = tier.low if tier.low is not None else tier.high, tier.high
    if high is not None and not (0 <= (low or 0) <= high <= 1):
        raise InputError(
            "the marks are no shares of the capacity, the low one below the high one",
            f"tier {tier.name}",
            "Give percentages such as --high 90 --low 80",
        )
    return tier


def _keep(catalog: Catalog, tiers: Sequence[Tier], new: str | None) -> None:
    """Write all tiers down; `new` is the one that other open lakes have not heard of."""
    with metadata_change(catalog, "the tiers") as cursor:
        rows = cursor.execute("SELECT name, added FROM __ducklake_metadata_lake.baselake_tiers").fetchall()
        added = dict(rows)
        for ordinal, tier in enumerate(tiers):
            values = asdict(tier) | {"ordinal": ordinal, "added": added.get(tier.name) or 0}
            if tier.name == new:
                values["added"] = int(time.time())
            cursor.execute("DELETE FROM __ducklake_metadata_lake.baselake_tiers WHERE name = ?", [tier.name])
            insert_row(cursor, "baselake_tiers", values)
