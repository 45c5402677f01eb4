"""Receipts: what an answer rests on, so that it can be asked again, and how the answer of today differs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from baselake.catalog.annotations import GENES
from baselake.catalog.catalog import Catalog
from baselake.catalog.connection import RELEASE
from baselake.errors import InputError, NotFoundError

_FORM = 2
_OLDER = 1  # without annotation


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What an answer rests on.

    Attributes:
        form: of receipts.
        question: its name.
        arguments, named: as they were given.
        sql: that was asked.
        snapshot: of the lake.
        digest: of the answer: of all its rows, whatever their order.
        rows: of the answer.
        release: of baselake.
        engine: release of DuckDB.
        made: when, UTC.
        annotation: the releases of gene models and sources that answered, `SOURCE of REFERENCE` to version and the
            digest of the content.
    """

    form: int
    question: str
    arguments: Sequence[str]
    named: Mapping[str, str]
    sql: str
    snapshot: int
    digest: str
    rows: int
    release: str
    engine: str
    made: str
    annotation: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """An answer asked again.

    Attributes:
        same: at the receipt's snapshot it is what it was.
        rows: of it then.
        gone: rows of it that today's answer has not.
        new: rows of today's answer that it had not.
        releases: what of the software and of the annotation differs, as sentences.
    """

    same: bool
    rows: int
    gone: int
    new: int
    releases: tuple[str, ...]


def make_receipt(
    catalog: Catalog, question: str, arguments: Sequence[str], named: Mapping[str, str], sql: str
) -> Receipt:
    """The receipt of an answer at the snapshot that the catalog shows."""
    digest, rows = _digest(catalog, sql)
    return Receipt(
        form=_FORM,
        question=question,
        arguments=tuple(arguments),
        named=dict(named),
        sql=sql,
        snapshot=current_snapshot(catalog),
        digest=digest,
        rows=rows,
        release=RELEASE,
        engine=duckdb.__version__,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        annotation=annotation_releases(catalog),
    )


def write_receipt(receipt: Receipt, path: Path) -> None:
    """Write a receipt as JSON."""
    path.write_text(json.dumps(asdict(receipt), indent=1) + "\n")


def read_receipt(path: Path) -> Receipt:
    """Read a receipt.

    Raises:
        NotFoundError: there is no such file.
        InputError: it is none.
    """
    if not path.is_file():
        raise NotFoundError("no such file", str(path), "Check the path")
    try:
        fields = json.loads(path.read_text())
        receipt = Receipt(**fields)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"it is no receipt ({error})", str(path), "Give a file that --receipt wrote"
        ) from error
    if receipt.form not in (_OLDER, _FORM):
        raise InputError(f"a receipt of form {receipt.form}", str(path), "Upgrade baselake")
    return receipt


def rerun(then: Catalog, now: Catalog, receipt: Receipt) -> Rerun:
    """Ask again, at the receipt's snapshot and of today's lake.

    Args:
        then: the lake at the receipt's snapshot.
        now: the lake today.
        receipt: the receipt.
    """
    digest, rows = _digest(then, receipt.sql)
    before, today = (catalog.query(receipt.sql) for catalog in (then, now))
    with duckdb.connect() as memory:
        memory.register("before", before)
        memory.register("today", today)
        ((gone,),) = memory.execute("SELECT count(*) FROM (FROM before EXCEPT ALL FROM today)").fetchall()
        ((new,),) = memory.execute("SELECT count(*) FROM (FROM today EXCEPT ALL FROM before)").fetchall()
    pairs = [("baselake", receipt.release, RELEASE), ("DuckDB", receipt.engine, duckdb.__version__)]
    if receipt.form != _OLDER:
        answered = annotation_releases(now)
        sources = dict.fromkeys((*receipt.annotation, *answered))
        pairs += [
            (source, receipt.annotation.get(source, "not there"), answered.get(source, "not there"))
            for source in sources
        ]
    return Rerun(
        same=(digest, rows) == (receipt.digest, receipt.rows),
        rows=rows,
        gone=gone,
        new=new,
        releases=tuple(f"{name} was {was} and is {is_}" for name, was, is_ in pairs if was != is_),
    )


def annotation_releases(catalog: Catalog) -> dict[str, str]:
    """The releases of annotation that answer now: version and digest of the content, by source and assembly."""
    # A snapshot from before there was any has no such view.
    there = "SELECT 1 FROM duckdb_views() WHERE view_name = 'current_releases' AND database_name = current_catalog()"
    if not catalog.query(there).num_rows:
        return {}
    rows = catalog.query(
        "SELECT source, reference, version, content_id FROM current_releases ORDER BY source, reference"
    ).to_pylist()
    for reference in [row["reference"] for row in rows if row["source"] == GENES]:
        # Those of an assembly are all of one release, which need not be the gene models' last.
        rows += catalog.query(
            "SELECT 'consequences' AS source, reference, version, content_id FROM annotation_releases"
            " WHERE release_id = (SELECT release_id FROM consequences WHERE reference = ? LIMIT 1)",
            [reference],
        ).to_pylist()
    return {
        f"{row['source']} of {row['reference']}" if row["reference"] else row["source"]: (
            f"{row['version']} ({row['content_id'][:12]})"
        )
        for row in rows
    }


def current_snapshot(catalog: Catalog) -> int:
    """The snapshot that a catalog shows."""
    return int(catalog.query("SELECT id FROM lake.current_snapshot()")["id"][0].as_py())


def _digest(catalog: Catalog, sql: str) -> tuple[str, int]:
    # Of each row's text, so that rows may come in any order, and equal rows count.
    (row,) = catalog.query(
        "SELECT CAST(coalesce(sum(md5_number_lower(CAST(to_json(q) AS VARCHAR))), 0) AS VARCHAR) AS digest,"
        f" count(*) AS rows FROM ({sql}) AS q"
    ).to_pylist()
    return row["digest"], row["rows"]
