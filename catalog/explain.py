"""What a query will read, told before it does: files, bytes and requests to object stores.

All of it is from DuckDB's plan of the query and from what the catalog knows of files; none of them is opened. What only
the query itself can tell, such as which samples a cohort has, may rule out more, so everything is told as "at most".

How DuckDB 1.5 reads a Parquet file on S3, as its log of HTTP has it: DuckLake tells it the size of the file and of its
footer, so there is no HEAD, and one GET brings the footer. Of each row group that statistics in the footer do not rule
out, the columns that conditions are about come first, then the others, each time with one GET for all chunks that lie
no more than 16 KiB apart. A join may find conditions while it runs, and so part the columns once more.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from baselake.catalog.catalog import Catalog
from baselake.catalog.tiers.settings import load_tiers
from baselake.lake.schema import shown_name

# A condition of a scan, as DuckDB's plan spells it, that a file's statistics can tell to be false of all its rows.
_BOUND = re.compile(r"\"?(\w+)\"?(=|<=|>=|<|>)('(?:[^']|'')*'|-?[\d.]+)(?:::\w+)?")
_NAME = re.compile(r"\w+")
# Bytes of a footer that describe one chunk, where row groups were counted: 104 to 121 in files of genotypes, variants
# and counts that Arrow wrote, 84 to 90 in those of `lake/coded.py`. Only so is their number known before it is read.
_CHUNK_IN_FOOTER = 100
_GAP = 1 << 14  # DuckDB's ReadHead::ALLOW_GAP: ranges nearer to each other than that are read as one


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRead:
    """What a query will read on one tier, at most.

    Attributes:
        tier: its name.
        url: of its store; empty: the lake's own folder.
        cold: files must be recalled from it first.
        files: how many.
        bytes: their size.
        requests: GETs to its object store, about; 0 for a folder. None: files are encrypted, and are read by other
            requests than Parquet's.
    """

    tier: str
    url: str
    cold: bool
    files: int
    bytes: int
    requests: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What a query will read: by table, and by tier in their order."""

    tables: list[Read]
    tiers: list[TierRead]


@dataclass(frozen=True, slots=True)
class _Scan:
    """A table in a plan: its files that are not ruled out (bytes by identifier), columns that are needed and of
    these the ones of conditions, and whether the plan has joins."""

    table: str
    files: Mapping[int, int]
    columns: frozenset[str]
    filtered: frozenset[str]
    joined: bool


def explain(catalog: Catalog, sql: str) -> Explained:
    """What a query will read at most: of files, those whose statistics do not rule them out."""
    ((_, plan),) = catalog.rows(f"EXPLAIN (FORMAT json) {sql}")
    joined = '_JOIN"' in plan
    scans = [_scan(catalog, info, joined) for node in json.loads(plan) for info in _scanned(node)]
    totals = dict(catalog.rows(catalog.statement("files_of_tables")))
    chosen: dict[str, dict[int, int]] = {}
    for scan in scans:
        chosen.setdefault(scan.table, {}).update(scan.files)
    tables = [
        Read(
            table=shown_name(table),
            files=len(files),
            bytes=sum(files.values()),
            of_files=totals.get(table, 0),
        )
        for table, files in sorted(chosen.items())
    ]
    return Explained(tables=tables, tiers=_tiers(catalog, scans))


def _scanned(node: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """What a plan says of each table that it scans."""
    info = node.get("extra_info")
    if str(node.get("name")).strip() == "DUCKLAKE_SCAN" and isinstance(info, dict):
        yield info
    children = node.get("children", [])
    assert isinstance(children, list)
    for child in children:
        yield from _scanned(child)


def _scan(catalog: Catalog, info: Mapping[str, object], joined: bool) -> _Scan:
    conditions = _listed(info.get("Filters"))
    bounds = [match.groups() for text in conditions if (match := _BOUND.fullmatch(text)) is not None]
    rows = catalog.rows(
        catalog.statement("files_to_read"),
        {
            "table": str(info["Table"]),
            "columns": [column for column, _, _ in bounds],
            "operators": [operator for _, operator, _ in bounds],
            "values": [_unquoted(value) for _, _, value in bounds],
        },
    )
    # A field of a structure is named with it.
    columns = {column.partition(".")[0].strip('"') for column in _listed(info.get("Projections"))}
    filtered = {name for text in conditions for name in _NAME.findall(text)}
    return _Scan(str(info["Table"]), dict(rows), frozenset(columns | filtered), frozenset(filtered), joined)


def _listed(value: object) -> list[str]:
    if value is None or value == "":
        return []
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _unquoted(literal: str) -> str:
    return literal[1:-1].replace("''", "'") if literal.startswith("'") else literal


# ---------------------------------------------------------------------------------------------------------
# Tiers and requests.


def _tiers(catalog: Catalog, scans: Sequence[_Scan]) -> list[TierRead]:
    tiers = load_tiers(catalog.connection)
    sizes = {file: size for scan in scans for file, size in scan.files.items()}
    chunks: dict[int, list[tuple[str, int]]] = {}  # of each file: columns in their order, and their bytes
    places: dict[int, tuple[str, int]] = {}
    rows = catalog.rows(catalog.statement("columns_of_files"), {"files": list(sizes)})
    for file, column, size, footer, location in rows:
        chunks.setdefault(file, []).append((column, size or 0))
        places[file] = (location, footer or 0)
    found = []
    for tier in tiers:
        there = {
            file
            for file, (location, _) in places.items()
            if (location.startswith(f"{tier.url}/") if tier.url else not location)
        }
        if not there:
            continue
        requests: int | None = 0
        if catalog.config.encrypted and tier.url.startswith("s3://"):
            requests = None
        elif tier.url.startswith("s3://"):
            requests = sum(
                _requests(chunks[file], places[file][1], scan)
                for scan in scans
                for file in scan.files
                if file in there
            )
        found.append(
            TierRead(
                tier=tier.name,
                url=tier.url,
                cold=tier.kind == "cold",
                files=len(there),
                bytes=sum(sizes[file] for file in there),
                requests=requests,
            )
        )
    return found


def _requests(chunks: Sequence[tuple[str, int]], footer: int, scan: _Scan) -> int:
    """GETs of one file: its footer, and of each row group the chunks, first those that conditions are about."""
    row_groups = max(1, round(footer / (_CHUNK_IN_FOOTER * len(chunks))))
    ranges = _ranges(chunks, scan.filtered, row_groups)
    ranges += _ranges(chunks, scan.columns - scan.filtered, row_groups)
    return 1 + row_groups * (ranges + scan.joined)


def _ranges(chunks: Sequence[tuple[str, int]], columns: Iterable[str], row_groups: int) -> int:
    """How many reads bring these columns of a row group."""
    wanted, ranges, gap = frozenset(columns), 0, float("inf")
    for column, size in chunks:
        if column in wanted:
            ranges += gap > _GAP
            gap = 0.0
        else:
            gap += size / row_groups
    return ranges
