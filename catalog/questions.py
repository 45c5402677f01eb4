"""Questions with a name: the table macros of the lake, with their arguments checked before they are asked."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from baselake.catalog.catalog import Catalog
from baselake.catalog.connection import quoted
from baselake.catalog.references import open_reference
from baselake.catalog.samples import EVERYBODY
from baselake.catalog.snapshots import find_snapshot
from baselake.errors import InputError, NotFoundError
from baselake.lake.region import parse_region
from baselake.lake.schema import shown_name

_MACROS = Path(__file__).parent / "sql" / "table_macros"
_NUMBERS = frozenset({"max_af", "min_depth", "min_gq", "min_sites"})
_FLAGS = frozenset({"passed"})
_SETS = frozenset({"cohort", "family_name", "name", "cases", "controls"})
_IMPACTS = ("HIGH", "MODERATE", "LOW", "MODIFIER")
# What other arguments name, the query that finds it, and how what there is can be seen.
_NAMED = {
    "symbol": (
        "gene",
        "SELECT 1 FROM genes WHERE $name IN (gene, gene_id, split_part(gene_id, '.', 1)) LIMIT 1",
        "Gene models are loaded by: baselake annotate genes",
    ),
    "panel_name": ("panel", "SELECT 1 FROM panels WHERE panel = $name LIMIT 1", "See: baselake panel"),
    "source_name": (
        "source of annotation",
        "SELECT 1 FROM annotation_releases WHERE source = $name LIMIT 1",
        "See: baselake annotate",
    ),
}
# A condition of a scan, as DuckDB's plan spells it, that a file's statistics can tell to be false of all its rows.
_BOUND = re.compile(r"\"?(\w+)\"?(=|<=|>=|<|>)('(?:[^']|'')*'|-?[\d.]+)(?:::\w+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A table macro.

    Attributes:
        name: its name.
        arguments: in order.
        optional: of these, those that have a default.
        answers: what its rows are.
    """

    name: str
    arguments: tuple[str, ...]
    optional: frozenset[str]
    answers: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a query will read of one table, at most.

    Attributes:
        table: the table.
        files: how many of its files.
        bytes: their size.
        of_files: how many files the table has.
    """

    table: str
    files: int
    bytes: int
    of_files: int


def questions() -> dict[str, Question]:
    """Every question there is, by name."""
    return {path.stem: _question(path) for path in sorted(_MACROS.glob("*.sql"))}


def _question(path: Path) -> Question:
    text = path.read_text()
    match = re.search(rf"MACRO {path.stem}\((.*)\) AS TABLE", text)
    if match is None:
        raise ValueError(f"{path} makes no table macro")
    arguments = [part.partition(" := ") for part in match[1].split(", ")]
    told = " ".join(line[2:].strip() for line in text.splitlines() if line.startswith("--"))
    return Question(
        name=path.stem,
        arguments=tuple(name for name, _, _ in arguments),
        optional=frozenset(name for name, given, _ in arguments if given),
        answers=told,
    )


def question_sql(
    catalog: Catalog, name: str, arguments: Sequence[object] = (), named: Mapping[str, object] | None = None
) -> str:
    """The SQL that asks a question.

    Args:
        catalog: the lake.
        name: the question.
        arguments: its arguments, in order.
        named: further ones, by name.

    Raises:
        NotFoundError: no such question, or no such sample, family, cohort or contig.
        InputError: arguments are missing, too many or of the wrong kind.
    """
    known = questions()
    if name not in known:
        raise NotFoundError(f"no question {name!r}", "", f"There are {', '.join(known)}")
    question = known[name]
    asked = f"{name}({', '.join(question.arguments)})"
    if len(arguments) > len(question.arguments):
        raise InputError(f"{len(arguments)} arguments where {len(question.arguments)} are known", asked)
    given = dict(zip(question.arguments, arguments, strict=False))
    for key, value in (named or {}).items():
        argument = "family_name" if key == "family" else key
        if argument not in question.arguments or argument in given:
            what = f"{key} is given twice" if argument in given else f"there is no argument {key}"
            raise InputError(what, asked, "See: baselake query")
        given[argument] = value
    for argument in question.arguments:
        if argument not in given and argument not in question.optional:
            raise InputError(f"the argument {argument} is missing", asked, "See: baselake query")
    parts = []
    for argument, value in given.items():
        text = _literal(catalog, argument, value, asked)
        parts.append(f"{argument} => {text}" if argument in question.optional else text)
    counted = _from_counts(catalog, name, given)
    return counted if counted is not None else f"SELECT * FROM {name}({', '.join(parts)})"


def _from_counts(catalog: Catalog, name: str, given: Mapping[str, object]) -> str | None:
    """A question of frequencies, asked of the counts alone where they are kept: that is all that the macro would do.

    DuckDB plans both ways of `allele_frequency`, which takes longer than the short one.
    """
    if name not in ("allele_frequency", "rare") or float(str(given.get("min_depth", 0))):
        return None
    tables = "SELECT 1 FROM duckdb_tables() WHERE database_name = 'lake' AND table_name = 'counted_cohorts'"
    if catalog.at is not None and not catalog.query(tables).num_rows:
        return None  # a snapshot of before
    cohort, place = str(given.get("cohort", EVERYBODY)), str(given.get("place", ""))
    if not catalog.query("SELECT 1 FROM counted_cohorts WHERE cohort = ? LIMIT 1", [cohort]).num_rows:
        return None
    where = f" WHERE ac > 0 AND af <= {given['max_af']}" if name == "rare" else ""
    return f"SELECT * FROM counted_alleles({quoted(cohort)}, place => {quoted(place)}){where}"


def _literal(catalog: Catalog, argument: str, value: object, asked: str) -> str:
    text = str(value)
    if argument in _NUMBERS:
        if not re.fullmatch(r"\d+(\.\d+)?", text):
            raise InputError(f"{argument} is {text!r}, and is a number", asked)
        return text
    if argument in _FLAGS:
        if text.lower() not in ("true", "false"):
            raise InputError(f"{argument} is {text!r}, and is true or false", asked)
        return text.lower()
    if argument == "impact" and text not in _IMPACTS:
        raise InputError(f"impact is {text!r}, and is one of {', '.join(_IMPACTS)}", asked)
    if argument == "since" and text:
        _require_moment(catalog, text)
    if argument in _NAMED and text:
        kind, sql, remedy = _NAMED[argument]
        if not catalog.query(sql, {"name": text}).num_rows:
            raise NotFoundError(f"no {kind} {text!r}", str(catalog.layout.root), remedy)
    if argument in _SETS and not catalog.query("FROM cohort_members(?)", [text]).num_rows:
        raise NotFoundError(
            f"no cohort, family or sample {text!r} that has samples",
            str(catalog.layout.root),
            "See: baselake cohort, baselake pedigree, baselake samples",
        )
    if (
        argument == "sample"
        and not catalog.query("SELECT 1 FROM samples WHERE sample_id = ?", [text]).num_rows
    ):
        raise NotFoundError(f"no sample {text!r}", str(catalog.layout.root), "'baselake samples' lists them")
    if argument == "place" and text:
        _require_region(catalog, text)
    return quoted(text)


def _require_moment(catalog: Catalog, text: str) -> None:
    """See that a text is a snapshot's number or name, or a time."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        cursor = catalog.connection.cursor()
        try:
            find_snapshot(cursor, text, str(catalog.layout.root))
        finally:
            cursor.close()


def _require_region(catalog: Catalog, text: str) -> None:
    names = catalog.query('SELECT reference FROM "references" ORDER BY 1')["reference"].to_pylist()
    if not names:
        raise NotFoundError(
            "there is no reference, and so no region", str(catalog.layout.root), "Run: baselake reference add"
        )
    for place, name in enumerate(names, 1):
        try:
            parse_region(text, open_reference(catalog, name).lengths)
        except NotFoundError:
            if place == len(names):
                raise
        else:
            return


def reads(catalog: Catalog, sql: str) -> list[Read]:
    """The files that a query will read at most, by table: those whose statistics do not rule them out.

    What only the query itself can tell, such as which samples a cohort has, may rule out more.
    """
    plan = catalog.query(f"EXPLAIN (FORMAT json) {sql}")["explain_value"][0].as_py()
    chosen: dict[str, dict[int, int]] = {}
    for table, conditions in (scan for node in json.loads(plan) for scan in _scans(node)):
        bounds = [match.groups() for text in conditions if (match := _BOUND.fullmatch(text)) is not None]
        rows = catalog.query(
            catalog.statement("files_to_read"),
            {
                "table": table,
                "columns": [column for column, _, _ in bounds],
                "operators": [operator for _, operator, _ in bounds],
                "values": [_unquoted(value) for _, _, value in bounds],
            },
        ).to_pylist()
        chosen.setdefault(table, {}).update({row["file_id"]: row["bytes"] for row in rows})
    totals = catalog.query(catalog.statement("files_of_tables"))
    number = dict(zip(totals["table"].to_pylist(), totals["files"].to_pylist(), strict=True))
    return [
        Read(
            table=shown_name(table),
            files=len(files),
            bytes=sum(files.values()),
            of_files=number.get(table, 0),
        )
        for table, files in sorted(chosen.items())
    ]


def _unquoted(literal: str) -> str:
    return literal[1:-1].replace("''", "'") if literal.startswith("'") else literal


def _scans(node: Mapping[str, object]) -> Iterator[tuple[str, list[str]]]:
    """Each table that a plan scans, with the conditions that rows must meet."""
    info = node.get("extra_info")
    if str(node.get("name")).strip() == "DUCKLAKE_SCAN" and isinstance(info, dict):
        filters = info.get("Filters", [])
        yield str(info["Table"]), [filters] if isinstance(filters, str) else list(filters)
    children = node.get("children", [])
    assert isinstance(children, list)
    for child in children:
        yield from _scans(child)
