"""Who did what to the lake, in rows that are only ever added and that hang together by their hashes.

What tells of a change goes into the very transaction of the change, with DuckLake's snapshot, and is taken over from
there into the table of the audit under the same commit lock; where a crash comes between, by the next writer.
A sample's identifier is never in it: a random word stands for it, whose meaning is a row that an erasure removes.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from baselake.errors import LakeError

_METADATA = "__ducklake_metadata_lake"
_MARK = '{"baselake":'
_FIRST = "0" * 64  # what stands for the hash before the first row
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_WORD = re.compile(r"subject-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One row, as it is kept.

    Attributes:
        number: from 1, without gaps.
        snapshot: that the change made; None: nothing was changed.
        entry: JSON: time (seconds since 1970), who, operation, parameters, job.
        hash: of the row before and this one.
    """

    number: int
    snapshot: int | None
    entry: str
    hash: str


def entry_of(
    who: str, operation: str, parameters: Mapping[str, str], time: int, job: str | None = None
) -> str:
    """An entry as the audit keeps it."""
    said = {"time": time, "who": who, "operation": operation, "parameters": dict(parameters), "job": job}
    return json.dumps({"baselake": said}, sort_keys=True, separators=(",", ":"))


def without_samples(
    connection: duckdb.DuckDBPyConnection, parameters: Mapping[str, str], samples: Iterable[str] = ()
) -> dict[str, str]:
    """Parameters with a word in the place of each sample; no transaction may be open.

    Args:
        connection: to the lake, for writing.
        parameters: values in which identifiers may stand anywhere.
        samples: identifiers that may be told of for the first time.
    """
    text = "\n".join(parameters.values())
    cursor = connection.cursor()
    try:
        # Of the samples that were ever told of, and not of all that there are, which would be read in many files.
        rows = cursor.execute(
            f"SELECT sample_id FROM {_METADATA}.baselake_subjects WHERE contains(?, sample_id)", [text]
        ).fetchall()
        found = sorted({name for (name,) in rows} | {name for name in samples if name in text}, key=len)
        words = {name: _word_for(cursor, name) for name in reversed(found)}
    finally:
        cursor.close()
    if not words:
        return dict(parameters)
    # The longest first: one identifier may be a part of another.
    pattern = re.compile("|".join(map(re.escape, words)))
    return {key: pattern.sub(lambda match: words[match[0]], value) for key, value in parameters.items()}


def _word_for(cursor: duckdb.DuckDBPyConnection, sample: str) -> str:
    rows = cursor.execute(
        f"SELECT subject FROM {_METADATA}.baselake_subjects WHERE sample_id = ?", [sample]
    ).fetchall()
    if rows:
        word: str = rows[0][0]
        return word
    word = f"subject-{secrets.token_hex(8)}"
    cursor.execute(f"INSERT INTO {_METADATA}.baselake_subjects VALUES (?, ?)", [word, sample])
    return word


def without_literals(sql: str) -> str:
    """A query without what is written in quotes in it."""
    return _LITERAL.sub("'?'", sql)


def record_audit(cursor: duckdb.DuckDBPyConnection) -> None:
    """Take over what the newest snapshots say of who made them; the commit lock must be held."""
    ((last,),) = cursor.execute(
        f"SELECT coalesce(max(snapshot), 0) FROM {_METADATA}.baselake_audit"
    ).fetchall()
    rows = cursor.execute(
        f"SELECT snapshot_id, commit_extra_info FROM {_METADATA}.ducklake_snapshot_changes"
        " WHERE snapshot_id > ? AND starts_with(commit_extra_info, ?) ORDER BY snapshot_id",
        [last, _MARK],
    ).fetchall()
    append(cursor, rows)


def append(cursor: duckdb.DuckDBPyConnection, entries: Sequence[tuple[int | None, str]]) -> None:
    """Add entries, each with the snapshot it tells of; the commit lock must be held."""
    if not entries:
        return
    number, before = _head(cursor)
    for snapshot, entry in entries:
        number += 1
        before = _hash(before, number, snapshot, entry)
        cursor.execute(
            f"INSERT INTO {_METADATA}.baselake_audit VALUES (?, ?, ?, ?)", [number, snapshot, entry, before]
        )


def read_audit(connection: duckdb.DuckDBPyConnection) -> list[AuditRow]:
    """All rows, in order."""
    cursor = connection.cursor()
    try:
        rows = cursor.execute(
            f"SELECT number, snapshot, entry, hash FROM {_METADATA}.baselake_audit ORDER BY number"
        ).fetchall()
    finally:
        cursor.close()
    return [
        AuditRow(number=number, snapshot=snapshot, entry=entry, hash=own)
        for number, snapshot, entry, own in rows
    ]


def verify_audit(rows: Sequence[AuditRow], where: str) -> str:
    """The hash of the last row, if the rows hang together from the first one on.

    Raises:
        LakeError: a row was changed, is missing, or was put in.
    """
    before = _FIRST
    for place, row in enumerate(rows, 1):
        if row.number != place or _hash(before, row.number, row.snapshot, row.entry) != row.hash:
            raise LakeError(
                f"the audit does not hang together at row {place}: it was changed from outside",
                where,
                "Compare it with a backup of the catalog",
            )
        before = row.hash
    return before


def forget_sample(
    cursor: duckdb.DuckDBPyConnection, sample: str, without: Callable[[str], str]
) -> tuple[str, int | None]:
    """Take away what a sample's word means, and its identifier where it stands all the same.

    Args:
        cursor: in the erasure's transaction.
        sample: the identifier.
        without: gives a text without it.

    Returns:
        the sample's word, empty if it never had one, and the first row that had to be changed, from which on all
        hashes are new; None: none had to be.
    """
    rows = cursor.execute(
        f"SELECT subject FROM {_METADATA}.baselake_subjects WHERE sample_id = ?", [sample]
    ).fetchall()
    cursor.execute(f"DELETE FROM {_METADATA}.baselake_subjects WHERE sample_id = ?", [sample])
    word: str = rows[0][0] if rows else ""
    chain = cursor.execute(
        f"SELECT number, snapshot, entry, hash FROM {_METADATA}.baselake_audit ORDER BY number"
    ).fetchall()
    first = next((number for number, _, entry, _ in chain if without(entry) != entry), None)
    if first is None:
        return word, None
    before = chain[first - 2][3] if first > 1 else _FIRST
    for number, snapshot, entry, _ in chain[first - 1 :]:
        said = without(entry)
        before = _hash(before, number, snapshot, said)
        cursor.execute(
            f"UPDATE {_METADATA}.baselake_audit SET entry = ?, hash = ? WHERE number = ?",
            [said, before, number],
        )
    return word, first


def readable(rows: Sequence[AuditRow], names: Mapping[str, str]) -> list[dict[str, object]]:
    """Rows for people: with samples for the words that still mean one.

    Args:
        rows: of the audit.
        names: sample by word.
    """
    shown = []
    for row in rows:
        text = _WORD.sub(lambda match: json.dumps(names.get(match[0], match[0]))[1:-1], row.entry)
        said = json.loads(text)["baselake"]
        parameters = ", ".join(f"{key}={value}" for key, value in said["parameters"].items())
        shown.append(
            {
                "number": row.number,
                "time": said["time"],
                "who": said["who"],
                "operation": said["operation"],
                "parameters": parameters,
                "job_id": said["job"],
                "snapshot": row.snapshot,
                "hash": row.hash,
            }
        )
    return shown


def subjects(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The sample that each word stands for."""
    cursor = connection.cursor()
    try:
        return dict(
            cursor.execute(f"SELECT subject, sample_id FROM {_METADATA}.baselake_subjects").fetchall()
        )
    finally:
        cursor.close()


def _head(cursor: duckdb.DuckDBPyConnection) -> tuple[int, str]:
    rows = cursor.execute(
        f"SELECT number, hash FROM {_METADATA}.baselake_audit ORDER BY number DESC LIMIT 1"
    ).fetchall()
    return rows[0] if rows else (0, _FIRST)


def _hash(before: str, number: int, snapshot: int | None, entry: str) -> str:
    return hashlib.sha256(f"{before}\n{number}\n{snapshot}\n{entry}".encode()).hexdigest()
