"""What becomes of one file: which of its rows stay, and as what."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from baselake.catalog.erase.history import RowFile, row_spans
from baselake.catalog.erase.rewriting import ROW_ID, SNAPSHOT_ID
from baselake.catalog.erase.subject import Subject, counts_of, reads_of
from baselake.catalog.erase.text import redacted
from baselake.lake.location import open_location
from baselake.lake.schema import COUNTS, TABLES

# Text that is made of lines, each about one sample: sample sheets, SAM headers.
_LINES = frozenset({"text", "header"})
_IDENTIFIERS = ("sample_id", "read_group_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedObject:
    """A kept file of a run as it is now: path relative to the lake, size, SHA-256."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """Clusters of one tile that were the sample's, from snapshot `begin` until `end`."""

    begin: int
    end: int
    clusters: int
    clusters_pf: int


@dataclass(slots=True, kw_only=True)
class Context:
    """What the files of one table need to know of those of others.

    Attributes:
        alleles: by reference, those that nobody else carries.
        clusters: what was taken off `barcode_counts`, by (run, lane, tile).
        moved: new paths of files that were written again, by the old ones, relative to the lake.
        objects: kept files that were written again, by their old path.
    """

    alleles: Mapping[str, pa.Array] = field(default_factory=dict)
    clusters: dict[tuple[str, int, int], list[Removed]] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)
    objects: Mapping[str, MovedObject] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a file that holds something of the sample.

    Attributes:
        file: the file.
        keep: which rows stay, bool [rows].
        changed: how many of those that stay say something else afterwards.
        rows: what they say, without DuckLake's own columns; None: what they said.
    """

    file: RowFile
    keep: np.ndarray
    changed: int = 0
    rows: pa.Table | None = None

    @property
    def removed(self) -> int:
        return int(len(self.keep) - self.keep.sum())


def decide(file: RowFile, subject: Subject, context: Context) -> Decision | None:
    """What becomes of a file; None: it stays as it is.

    Raises:
        OSError: it cannot be read.
    """
    if file.table in TABLES:
        return _decide_bulk(file, subject, context)
    with open_location(file.location) as source:
        rows = pq.ParquetFile(source).read()
    mine = rows_of(file.table, rows, subject)
    left = rows.filter(pa.array(~mine))
    changed = _changed(file, left, ~mine, subject, context)
    differs = 0 if changed is left else _differing(left, changed)
    if not mine.any() and not differs:
        return None
    return Decision(file=file, keep=~mine, changed=differs, rows=changed)


def rows_of(table: str, rows: pa.Table, subject: Subject) -> np.ndarray:
    """Which rows of a table that is not bulk are the sample's, bool [rows]."""
    names = rows.column_names
    mine = np.zeros(rows.num_rows, bool)
    if "run_id" in names:
        mine |= _is_in(rows["run_id"], subject.own_runs)
    if "sample_id" in names:
        mine |= _is_in(rows["sample_id"], (subject.sample,))
    elif "read_group_id" in names:
        mine |= _is_in(rows["read_group_id"], subject.read_groups)
    if table == "source_files":
        only = [value == [subject.sample] for value in rows["sample_ids"].to_pylist()]
        mine |= np.array(only, bool)
    return mine


def _decide_bulk(file: RowFile, subject: Subject, context: Context) -> Decision | None:
    run = file.partition.get("run_id")
    if file.table in COUNTS:
        return None  # sums that its rows are in, all of them: counted anew (erasure.py)
    if file.partition.get("sample_id") in subject.who.spellings:
        return Decision(file=file, keep=np.zeros(file.rows, bool))
    if file.table in ("read_records", "barcode_counts") and run is not None:
        if run in subject.own_runs:
            return Decision(file=file, keep=np.zeros(file.rows, bool))
        if run not in subject.runs:
            return None
    mine = _bulk_rows(file, subject, context)
    if not mine.any() and not _mentions(file, subject):
        return None
    return Decision(file=file, keep=~mine)


def _bulk_rows(file: RowFile, subject: Subject, context: Context) -> np.ndarray:
    if file.table == "read_records":
        parts = _batches(file, ("read_group_id", "index1_seq", "index2_seq"))
        return _joined([reads_of(subject, rows, file.partition) for rows in parts])
    if file.table == "barcode_counts":
        columns = ("run_id", "lane", "tile", "index1_seq", "index2_seq", "clusters", "clusters_pf")
        rows = pa.concat_tables(_batches(file, columns))
        ends = row_spans(file)
        mine = counts_of(subject, rows, ends, file.begin_snapshot)
        _note_clusters(rows, mine, ends, file.begin_snapshot, context)
        return mine
    if file.table in ("variants", "consequences"):
        parts = _batches(file, ("reference", "variant_id"))
        return _joined([_carried(rows, context.alleles) for rows in parts])
    if file.table == "vcf_records":
        # A record of several samples is the others', too.
        parts = _batches(file, ("source_id",))
        return _joined([_is_in(rows["source_id"], subject.own_sources) for rows in parts])
    known = [name for name in _IDENTIFIERS if name in TABLES[file.table].schema.names]
    if not known:
        # What sources say of alleles and regions is nobody's.
        return np.zeros(file.rows, bool)
    return _joined([rows_of(file.table, rows, subject) for rows in _batches(file, known)])


def _carried(rows: pa.Table, alleles: Mapping[str, pa.Array]) -> np.ndarray:
    mine = np.zeros(rows.num_rows, bool)
    for reference, gone in alleles.items():
        here = pc.and_(pc.equal(rows["reference"], reference), pc.is_in(rows["variant_id"], value_set=gone))
        mine |= pc.fill_null(here, False).to_numpy().astype(bool)
    return mine


def _note_clusters(rows: pa.Table, mine: np.ndarray, ends: np.ndarray, begin: int, context: Context) -> None:
    for row, end in zip(rows.filter(pa.array(mine)).to_pylist(), ends[mine].tolist(), strict=True):
        context.clusters.setdefault((row["run_id"], row["lane"], row["tile"]), []).append(
            Removed(begin=begin, end=end, clusters=row["clusters"], clusters_pf=row["clusters_pf"])
        )


def _mentions(file: RowFile, subject: Subject) -> bool:
    """Whether a dictionary of a file of other samples' rows holds the sample, which no row of it has to."""
    names = [name for name in _IDENTIFIERS if name in TABLES[file.table].schema.names]
    if not names:
        return False
    wanted = {subject.sample, *subject.read_groups}
    with open_location(file.location) as source:
        rows = pq.read_table(source, columns=names, read_dictionary=names)
    chunks = [chunk for name in names for chunk in rows[name].chunks]
    return any(wanted.intersection(chunk.dictionary.to_pylist()) for chunk in chunks)


def _changed(file: RowFile, rows: pa.Table, kept: np.ndarray, subject: Subject, context: Context) -> pa.Table:
    """Rows of others without what they say of the sample; `rows` itself where they say nothing."""
    changed = rows
    if file.table == "run_tiles" and context.clusters:
        changed = _fewer_clusters(file, changed, kept, context)
    if file.table == "objects" and context.objects:
        changed = _moved_objects(changed, context)
    if file.table == "lineage" and context.moved:
        changed = _moved_paths(changed, context)
    for place, name in enumerate(changed.column_names):
        column = changed.column(place)
        if name in (ROW_ID, SNAPSHOT_ID) or not column.length():
            continue
        without = redacted(column, subject.who, lines=name in _LINES)
        if without is not column:
            changed = changed.set_column(place, changed.schema.field(place), without)
    return changed


def _fewer_clusters(file: RowFile, rows: pa.Table, kept: np.ndarray, context: Context) -> pa.Table:
    ends = row_spans(file)[kept]
    columns = {name: rows[name].to_pylist() for name in ("run_id", "lane", "tile", "clusters", "clusters_pf")}
    keys = list(zip(columns["run_id"], columns["lane"], columns["tile"], strict=True))
    if not any(key in context.clusters for key in keys):
        return rows
    for i, key in enumerate(keys):
        # As the sample's reads are known at the end of the row's life.
        gone = [each for each in context.clusters.get(key, ()) if each.begin < ends[i] <= each.end]
        columns["clusters"][i] -= sum(each.clusters for each in gone)
        columns["clusters_pf"][i] -= sum(each.clusters_pf for each in gone)
    for name in ("clusters", "clusters_pf"):
        rows = _with(rows, name, columns[name])
    return rows


def _moved_objects(rows: pa.Table, context: Context) -> pa.Table:
    paths = rows["path"].to_pylist()
    if not any(path in context.objects for path in paths):
        return rows
    there = [context.objects.get(path) for path in paths]
    for name in ("path", "bytes", "sha256"):
        old = rows[name].to_pylist()
        values = [getattr(new, name) if new is not None else old[i] for i, new in enumerate(there)]
        rows = _with(rows, name, values)
    return rows


def _moved_paths(rows: pa.Table, context: Context) -> pa.Table:
    outputs = rows["outputs"].to_pylist()
    if not any(path in context.moved for paths in outputs for path in paths or ()):
        return rows
    moved = [[context.moved.get(path, path) for path in paths] if paths else paths for paths in outputs]
    return _with(rows, "outputs", moved)


def _with(rows: pa.Table, name: str, values: list[object]) -> pa.Table:
    place = rows.schema.get_field_index(name)
    field_ = rows.schema.field(place)
    return rows.set_column(place, field_, pa.array(values, field_.type))


def _differing(before: pa.Table, after: pa.Table) -> int:
    columns = [
        name
        for name in before.column_names
        if before[name] is not after[name] and before[name] != after[name]
    ]
    pairs = [zip(before[name].to_pylist(), after[name].to_pylist(), strict=True) for name in columns]
    return sum(any(old != new for old, new in row) for row in zip(*pairs, strict=True))


def _batches(file: RowFile, columns: "tuple[str, ...] | list[str]") -> list[pa.Table]:
    with open_location(file.location) as source:
        parquet = pq.ParquetFile(source)
        return [parquet.read_row_group(i, columns=list(columns)) for i in range(parquet.num_row_groups)]


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, bool)


def _is_in(column: pa.ChunkedArray, values: "tuple[str, ...] | frozenset[str]") -> np.ndarray:
    return pc.is_in(column, value_set=pa.array(sorted(values), pa.string())).to_numpy().astype(bool)
