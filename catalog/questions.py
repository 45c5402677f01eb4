"""Questions with a name: the table macros of the lake, with their arguments checked before they are asked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType

from baselake.catalog.catalog import Catalog
from baselake.catalog.connection import quoted
from baselake.catalog.samples import EVERYBODY
from baselake.catalog.snapshots import find_snapshot
from baselake.errors import InputError, NotFoundError
from baselake.lake.contigs import spellings
from baselake.lake.region import parse_region

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
_VARIANT = re.compile(r"(.+)-[0-9]+-[A-Za-z]+-.+")  # as the macros take it apart


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


@cache
def questions() -> Mapping[str, Question]:
    """Every question there is, by name."""
    return MappingProxyType({path.stem: _question(path) for path in sorted(_MACROS.glob("*.sql"))})


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
    counted = _is_counted(catalog, name, given)
    texts = {
        argument: _literal(catalog, argument, value, asked)
        for argument, value in given.items()
        if not (counted and argument == "cohort")  # which there is, then
    }
    if counted:
        cohort, place = str(given.get("cohort", EVERYBODY)), texts.get("place", "''")
        where = f" WHERE ac > 0 AND af <= {texts['max_af']}" if name == "rare" else ""
        return f"SELECT * FROM counted_alleles({quoted(cohort)}, place => {place}){where}"
    parts = [
        f"{argument} => {text}" if argument in question.optional else text for argument, text in texts.items()
    ]
    return f"SELECT * FROM {name}({', '.join(parts)})"


def _is_counted(catalog: Catalog, name: str, given: Mapping[str, object]) -> bool:
    """A question of frequencies, asked of the counts alone where they are kept: that is all that the macro would do.

    DuckDB plans both ways of `allele_frequency`, which takes longer than the short one.
    """
    if name not in ("allele_frequency", "rare") or str(given.get("min_depth", 0)) != "0":
        return False
    tables = "SELECT 1 FROM duckdb_tables() WHERE database_name = 'lake' AND table_name = 'counted_cohorts'"
    if catalog.at is not None and not catalog.rows(tables):
        return False  # a snapshot of before
    # 'all' is counted from the beginning, when it is nobody.
    known = "SELECT 1 FROM counted_cohorts WHERE cohort = ? AND EXISTS (FROM samples) LIMIT 1"
    return bool(catalog.rows(known, [str(given.get("cohort", EVERYBODY))]))


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
        if not catalog.rows(sql, {"name": text}):
            raise NotFoundError(f"no {kind} {text!r}", str(catalog.layout.root), remedy)
    if argument in _SETS and not catalog.rows("FROM cohort_members(?) LIMIT 1", [text]):
        raise NotFoundError(
            f"no cohort, family or sample {text!r} that has samples",
            str(catalog.layout.root),
            "See: baselake cohort, baselake pedigree, baselake samples",
        )
    if argument == "sample" and not catalog.rows("SELECT 1 FROM samples WHERE sample_id = ?", [text]):
        raise NotFoundError(f"no sample {text!r}", str(catalog.layout.root), "'baselake samples' lists them")
    if argument == "place" and text:
        text = _region(catalog, text)
    if argument == "variant":
        text = _variant(catalog, text)
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


def _region(catalog: Catalog, text: str) -> str:
    """A region as it was typed, its contig called what the lake calls it: `chr20` finds `20`, and `20` `chr20`."""
    contigs = _contigs(catalog)
    try:
        parse_region(text, contigs)
    except NotFoundError:
        contig, colon, stretch = text.rpartition(":")
        name = contig if colon else stretch
        called = spellings(contigs).get(name)
        if called is None:
            raise
        text = f"{called}:{stretch}" if colon else called
        parse_region(text, contigs)
    return text


def _variant(catalog: Catalog, text: str) -> str:
    """An allele by its variant_id, its contig called what the lake calls it."""
    match = _VARIANT.fullmatch(text)
    if match is None:
        raise InputError(
            f"{text!r} is no variant_id",
            "",
            "Write CONTIG-POS-REF-ALT, as in the column variant_id: chr17-43044300-C-T",
        )
    contigs = _contigs(catalog)
    contig = match[1] if match[1] in contigs else spellings(contigs).get(match[1])
    if contig is None:
        some = ", ".join(list(contigs)[:5])
        raise NotFoundError(f"no contig {match[1]!r}", f"variant {text}", f"The reference has {some}, ...")
    return f"{contig}{text[match.end(1) :]}"


def _contigs(catalog: Catalog) -> dict[str, int]:
    """Length of each contig of the lake's assemblies, the greatest where they differ."""
    lengths = dict(catalog.rows("SELECT contig, max(length) FROM contigs GROUP BY 1 ORDER BY min(ordinal)"))
    if not lengths:
        raise NotFoundError(
            "there is no reference, and so no region", str(catalog.layout.root), "Run: baselake reference add"
        )
    return lengths
