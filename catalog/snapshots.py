"""Snapshots: found by number, time or name, and the names that keep them.

Every commit is a snapshot, numbered without gaps. What is said here of snapshots is asked of DuckLake's own tables,
which are not themselves versioned: it is the same whatever snapshot is looked at.
"""

import re
from datetime import datetime
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

import duckdb

from baselake.errors import ConflictError, InputError, NotFoundError

if TYPE_CHECKING:
    from baselake.catalog.catalog import Catalog

# How a snapshot is told: its number, a name, a time as text (ISO 8601) or a time. Text may also be a number.
At = int | str | datetime

_STATEMENTS = Path(__file__).parent / "sql" / "statements"
_LIST = "List them: baselake snapshots"
_NAMES = "SELECT name, snapshot_id FROM __ducklake_metadata_lake.baselake_snapshot_names"
# Begins with a letter: neither a number nor a time can be meant.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,99}")


def find_snapshot(connection: duckdb.DuckDBPyConnection, at: At, where: str) -> int:
    """The number of a snapshot that can be looked at.

    Args:
        connection: to the lake.
        at: its number, its name, or a time, of which it is the lake's state: text as ISO 8601 writes it
            (`2026-03-01T12:00`, `2026-03-01` for its first moment), of this machine's time zone where it names none.
        where: the lake, as errors call it.

    Raises:
        NotFoundError: there is no such snapshot, or it has expired.
        InputError: the text is neither number, time nor name.
    """
    if isinstance(at, str):
        at = _read(at)
    if isinstance(at, str):
        names = dict(connection.execute(_NAMES).fetchall())
        if at not in names:
            some = (
                f"The names are {', '.join(sorted(names))}" if names else "No snapshot has a name; " + _LIST
            )
            raise NotFoundError(f"no snapshot is named {at!r}", where, some)
        at = int(names[at])
    kept = (_STATEMENTS / "kept_snapshots.sql").read_text()
    ((first, newest, since),) = connection.execute(
        f"SELECT min(snapshot_id), max(snapshot_id), min_by(time, snapshot_id) FROM ({kept})"
    ).fetchall()
    if isinstance(at, datetime):
        at = _at_time(connection, at.astimezone(), kept, (first, newest, since), where)
    if (
        not first <= at <= newest
        or not connection.execute(f"SELECT 1 FROM ({kept}) WHERE snapshot_id = ?", [at]).fetchall()
    ):
        born = _born(connection)
        if born <= at < newest:
            raise NotFoundError(
                f"snapshot {at} has expired", where, f"Snapshots are kept from {first} on; {_LIST.lower()}"
            )
        raise NotFoundError(
            f"no snapshot {at}", where, f"The first was {born}, the newest is {newest}; {_LIST.lower()}"
        )
    return at


def _read(text: str) -> At:
    """A number, a time, or else the name that the text is."""
    if text.isdecimal():
        return int(text)
    if _NAME.fullmatch(text):
        return text
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text!r} tells no snapshot",
            "",
            "Give its number, its name, or a time such as 2026-03-01 or 2026-03-01T12:00",
        ) from None


def _born(connection: duckdb.DuckDBPyConnection) -> int:
    """The snapshot that made the lake's tables."""
    ((born,),) = connection.execute(
        "SELECT min(begin_snapshot) FROM __ducklake_metadata_lake.ducklake_table"
        " WHERE table_name = 'schema_migrations'"
    ).fetchall()
    return int(born)


def _at_time(
    connection: duckdb.DuckDBPyConnection,
    when: datetime,
    kept: str,
    range_: tuple[int, int, datetime],
    where: str,
) -> int:
    first, newest, since = range_
    ((found,),) = connection.execute(
        f"SELECT max(snapshot_id) FROM ({kept}) WHERE time <= ?", [when]
    ).fetchall()
    if found is None:
        if first == _born(connection):
            raise NotFoundError(
                f"the lake was not there at {_spell(when)}",
                where,
                f"Its first snapshot is of {_spell(since)}",
            )
        raise NotFoundError(
            f"the snapshot of {_spell(when)} has expired",
            where,
            f"Snapshots are kept from {first} on, of {_spell(since)}",
        )
    following = connection.execute(f"SELECT 1 FROM ({kept}) WHERE snapshot_id = ?", [found + 1]).fetchall()
    if found != newest and not following:
        # Numbers have no gaps: of the snapshots between, one may have been the lake's state at that time.
        raise NotFoundError(
            f"the snapshot of {_spell(when)} has expired", where, f"The last one kept before it is {found}"
        )
    return int(found)


def _spell(when: datetime) -> str:
    return when.astimezone().isoformat(sep=" ", timespec="seconds")


def pinned_snapshots(catalog: "Catalog") -> set[int]:
    """Snapshots that have a name: these must never expire."""
    return {row["snapshot_id"] for row in catalog.query(_NAMES).to_pylist()}


def name_snapshot(catalog: "Catalog", name: str, at: At | None = None) -> int:
    """Give a snapshot a name, by which it is found and kept; its number.

    Args:
        catalog: the lake.
        name: letters, digits, `.`, `_` and `-`, a letter first.
        at: the snapshot; None: the newest.

    Raises:
        InputError: no name is spelled so.
        NotFoundError: no such snapshot.
        ConflictError: another snapshot has the name.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot be a snapshot's name",
            "",
            "Choose up to 100 letters, digits, '.', '_' and '-', a letter first",
        )
    where = str(catalog.layout.root)
    # Under the commit lock, which expiry holds too: what is named is there, and stays.
    from baselake.catalog.metadata import metadata_change  # which imports what finds snapshots

    with metadata_change(catalog, "the name") as cursor:
        newest = "SELECT max(snapshot_id) FROM __ducklake_metadata_lake.ducklake_snapshot"
        ((last,),) = cursor.execute(newest).fetchall()
        snapshot = find_snapshot(cursor, at if at is not None else last, where)
        there = dict(cursor.execute(_NAMES).fetchall())
        if there.get(name, snapshot) != snapshot:
            raise ConflictError(
                f"snapshot {there[name]} is named {name!r} already",
                where,
                f"Choose another name, or take it away: baselake snapshots unname {name}",
            )
        if name not in there:
            cursor.execute(
                "INSERT INTO __ducklake_metadata_lake.baselake_snapshot_names VALUES (?, ?, ?)",
                [name, snapshot, int(time())],
            )
    return snapshot


def unname_snapshot(catalog: "Catalog", name: str) -> int:
    """Take a name away; the number of the snapshot that had it, which may expire now.

    Raises:
        NotFoundError: no snapshot has the name.
    """
    from baselake.catalog.metadata import metadata_change  # which imports what finds snapshots

    with metadata_change(catalog, "the name") as cursor:
        there = dict(cursor.execute(_NAMES).fetchall())
        if name not in there:
            some = f"The names are {', '.join(sorted(there))}" if there else "No snapshot has a name"
            raise NotFoundError(f"no snapshot is named {name!r}", str(catalog.layout.root), some)
        cursor.execute("DELETE FROM __ducklake_metadata_lake.baselake_snapshot_names WHERE name = ?", [name])
    return int(there[name])
