"""Tiers, rules and pins as the catalog keeps them: one policy for every node and daemon of a lake."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import duckdb

from baselake.catalog.metadata import metadata_change
from baselake.errors import InputError, NotFoundError
from baselake.lake.partition import OBJECTS
from baselake.lake.tiers import HOT, Rule, Tier

if TYPE_CHECKING:
    from baselake.catalog.catalog import Catalog

_HOT = Tier(name=HOT, url="")
_TIERS = (
    "SELECT name, url, kind, capacity_bytes, cost_per_tb_month, zone, high, low"
    " FROM __ducklake_metadata_lake.baselake_tiers ORDER BY ordinal"
)


def load_tiers(connection: duckdb.DuckDBPyConnection) -> list[Tier]:
    """The tiers in order; the hot one is always there and first."""
    cursor = connection.cursor()
    try:
        rows = cursor.execute(_TIERS).fetchall()
        names = [name for name, *_ in cursor.description or ()]
        found = [Tier(**dict(zip(names, row, strict=True))) for row in rows]
    finally:
        cursor.close()
    return found if found and found[0].name == HOT else [_HOT, *found]


def find_tier(catalog: "Catalog", name: str) -> Tier:
    """A tier by its name.

    Raises:
        NotFoundError: there is none of that name.
    """
    tiers = load_tiers(catalog.connection)
    for tier in tiers:
        if tier.name == name:
            return tier
    names = ", ".join(tier.name for tier in tiers)
    raise NotFoundError(f"no tier {name!r}", str(catalog.layout.root), f"The tiers are {names}")


def added_at(catalog: "Catalog") -> dict[str, int]:
    """When each tier was made known, in seconds since 1970."""
    rows = catalog.query("SELECT name, added FROM __ducklake_metadata_lake.baselake_tiers").to_pylist()
    return {row["name"]: row["added"] for row in rows}


# ---------------------------------------------------------------------------------------------------------
# Rules and pins.


def load_rules(catalog: "Catalog") -> list[Rule]:
    """Every rule, by table."""
    rows = catalog.query(
        'SELECT table_name AS "table", tier, after_seconds, idle_seconds'
        " FROM __ducklake_metadata_lake.baselake_tier_rules ORDER BY ALL"
    ).to_pylist()
    return [Rule(**row) for row in rows]


def set_rule(catalog: "Catalog", rule: Rule) -> None:
    """Set a rule in the place of the one of its table and tier.

    Raises:
        NotFoundError: there is no such tier, or no such table of bulk data.
        InputError: it has no age.
    """
    check_table(rule.table)
    if find_tier(catalog, rule.tier).name == HOT:
        raise InputError("files come to the hot tier by themselves", "--to", "Name a tier below it")
    if rule.after_seconds is None and rule.idle_seconds is None:
        raise InputError("a rule without an age", f"table {rule.table}", "Give --after or --idle")
    with metadata_change(catalog, "the policy") as cursor:
        cursor.execute(_REMOVE_RULE, [rule.table, rule.tier])
        values = asdict(rule)
        insert_row(cursor, "baselake_tier_rules", {"table_name": values.pop("table"), **values})


_REMOVE_RULE = "DELETE FROM __ducklake_metadata_lake.baselake_tier_rules WHERE table_name = ? AND tier = ?"


def remove_rules(catalog: "Catalog", table: str, tier: str | None = None) -> None:
    """Forget the rules of a table, or that which leads to one tier.

    Raises:
        NotFoundError: there are none.
    """
    found = [rule for rule in load_rules(catalog) if rule.table == table and tier in (None, rule.tier)]
    if not found:
        raise NotFoundError("there is no such rule", f"table {table}", "List them: baselake tiers policy")
    with metadata_change(catalog, "the policy") as cursor:
        for rule in found:
            cursor.execute(_REMOVE_RULE, [rule.table, rule.tier])


def check_table(table: str) -> None:
    """See that a table's files may move: the small ones, which every command reads, stay hot; of `objects` it is the
    kept files that move, not the table's own.

    Raises:
        NotFoundError: they do not.
    """
    from baselake.lake.schema import TABLES  # imported here, as Arrow below: to read the tiers needs neither

    if table not in (*TABLES, OBJECTS):
        raise NotFoundError(
            f"no table {table!r} whose files move",
            "",
            f"The tables of bulk data are {', '.join(TABLES)}; {OBJECTS} stands for files kept as they came",
        )


def load_pins(catalog: "Catalog", now: int) -> dict[str, int | None]:
    """Samples and runs whose files stay where they are, and until when; None: for ever."""
    rows = catalog.query("SELECT subject, until FROM __ducklake_metadata_lake.baselake_tier_pins").to_pylist()
    return {row["subject"]: row["until"] for row in rows if row["until"] is None or row["until"] > now}


def pin(catalog: "Catalog", subject: str, until: int | None = None) -> None:
    """Keep the files of a sample or run where they are, until a time or for ever; a longer pin stays."""
    there = load_pins(catalog, 0)
    if subject in there and (
        there[subject] is None or (until is not None and until <= (there[subject] or 0))
    ):
        return
    with metadata_change(catalog, "the pins") as cursor:
        cursor.execute(_UNPIN, [subject])
        insert_row(cursor, "baselake_tier_pins", {"subject": subject, "until": until})


_UNPIN = "DELETE FROM __ducklake_metadata_lake.baselake_tier_pins WHERE subject = ?"


def unpin(catalog: "Catalog", subject: str) -> None:
    """Let policy move the files of a sample or run again.

    Raises:
        NotFoundError: it is not pinned.
    """
    if subject not in load_pins(catalog, 0):
        raise NotFoundError(f"{subject!r} is not pinned", "", "List them: baselake tiers pin")
    with metadata_change(catalog, "the pins") as cursor:
        cursor.execute(_UNPIN, [subject])


def insert_row(cursor: duckdb.DuckDBPyConnection, table: str, values: dict[str, object]) -> None:
    """Add a row to a plain table of the metadata database, columns by name."""
    import pyarrow as pa

    cursor.register("new_row", pa.Table.from_pylist([values]).__arrow_c_stream__())
    cursor.execute(f"INSERT INTO __ducklake_metadata_lake.{table} BY NAME SELECT * FROM new_row")
    cursor.unregister("new_row")
