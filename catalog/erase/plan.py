"""What erasing a sample takes: found in the files of every snapshot, before anything is changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from baselake.catalog.catalog import Catalog
from baselake.catalog.erase.decision import Context, Decision, MovedObject, decide
from baselake.catalog.erase.history import RowFile, row_files
from baselake.catalog.erase.objects import KeptFile, kept_files
from baselake.catalog.erase.subject import Subject, find_subject
from baselake.lake.location import location_exists, open_location
from baselake.lake.schema import BLOCK_ROW, CODED, COUNTS, TABLES

# Whose files others' need to be known first: counts of clusters before tiles, paths before those who name them.
_LAST = ("run_tiles", "objects", "lineage")
_NAMES = ("read_records", "alignments")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loose:
    """A file of rows that no snapshot holds: one to be deleted later, or an orphan.

    Attributes:
        location: absolute path.
        file_id: its number among those to be deleted; None: an orphan.
        bytes: its size.
    """

    location: str
    file_id: int | None
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done.

    Attributes:
        subject: whose rows go.
        files: all files of rows of the lake.
        decisions: what becomes of those that hold something of the sample; others stay.
        kept: what becomes of files kept byte by byte.
        loose: files that no snapshot holds any more, and that go.
        beyond: sentences about what cannot be reached.
    """

    subject: Subject
    files: Sequence[RowFile]
    decisions: Sequence[Decision]
    kept: Sequence[KeptFile]
    loose: Sequence[Loose]
    beyond: Sequence[str] = field(default_factory=tuple)

    @property
    def nothing(self) -> bool:
        return not (self.decisions or self.kept or self.loose)


def make_plan(
    catalog: Catalog, sample: str, before: frozenset[str] = frozenset(), earlier: Plan | None = None
) -> Plan:
    """Find everything of a sample.

    Args:
        catalog: the lake.
        sample: its identifier.
        before: read groups that are known to be its own.
        earlier: a plan from which what takes long to find is taken where it still holds.

    Raises:
        OSError: a file cannot be read.
        LakeError: a file is encrypted.
    """
    files = row_files(catalog)
    subject = find_subject(files, sample, before)
    context = Context(alleles=_alleles(files, subject))
    kept, beyond = kept_files(catalog, files, subject)
    same = _unchanged(files, subject, earlier)
    new = [file for file in files if file.table not in _LAST and file.location not in same]
    decisions = [decision for decision in same.values() if decision is not None]
    decisions += decide_all(new, subject, context)
    # No count tells which of its sums a person is in.
    called = any(decision.file.table in ("genotypes", "reference_blocks") for decision in decisions)
    if called:
        decisions = [decision for decision in decisions if decision.file.table not in COUNTS]
        decisions += [
            Decision(file=file, keep=np.zeros(file.rows, bool)) for file in files if file.table in COUNTS
        ]
    # Which tiles, kept files and jobs change is known; what they become is told when the new paths are (`decide_last`).
    context.moved = {name: name for name in _relative(catalog, decisions)}
    context.objects = {
        each.path: MovedObject(path=each.path, bytes=each.size, sha256="")
        for each in kept
        if each.content is not None
    }
    decisions += decide_last(files, subject, context)
    loose = [
        *_scheduled(catalog, files, subject, counts=called),
        *_orphans(catalog, files, subject, counts=called),
    ]
    beyond += [f"the run's own name holds the identifier: {run}" for run in _named_runs(subject)]
    return Plan(
        subject=subject, files=files, decisions=decisions, kept=kept, loose=loose, beyond=tuple(beyond)
    )


def _unchanged(
    files: Sequence[RowFile], subject: Subject, earlier: Plan | None
) -> dict[str, Decision | None]:
    """What an earlier plan found of the files of reads, which takes longest, by location."""
    if earlier is None or earlier.subject != subject:
        return {}
    found = {decision.file.location: decision for decision in earlier.decisions}
    there = {file.location: file for file in earlier.files}
    return {
        file.location: found.get(file.location)
        for file in files
        if file.table == "read_records" and there.get(file.location) == file
    }


def decide_all(files: Sequence[RowFile], subject: Subject, context: Context) -> list[Decision]:
    """What becomes of files, those that stay as they are left out."""
    decisions = [decide(file, subject, context) for file in files]
    return [decision for decision in decisions if decision is not None]


def decide_last(files: Sequence[RowFile], subject: Subject, context: Context) -> list[Decision]:
    """What becomes of the tables that tell of files and clusters of others."""
    return decide_all([file for file in files if file.table in _LAST], subject, context)


def is_last(decision: Decision) -> bool:
    """Whether a decision is one of those that depend on what became of other files."""
    return decision.file.table in _LAST


def context_of(plan: Plan, moved: Mapping[str, str], objects: Mapping[str, MovedObject]) -> Context:
    """What the last tables need, when all others are written: the clusters that went, the new paths."""
    context = Context(alleles={}, moved=moved, objects=objects)
    for file in plan.files:
        if file.table == "barcode_counts":
            decide(file, plan.subject, context)
    return context


def names_in(catalog: Catalog, decision: Decision) -> pa.Array | None:
    """Names of the reads that go with a file's rows; None where the table has none."""
    if decision.file.table not in _NAMES:
        return None
    with open_location(decision.file.location) as source:
        columns = {"name", BLOCK_ROW, CODED["name"]}.intersection(pq.read_schema(source).names)
        rows = pq.read_table(source, columns=sorted(columns))
    rows = catalog.decoder.file_rows(rows, decision.file.location, 0, ("name",))
    return pc.unique(rows["name"].filter(pa.array(~decision.keep))).drop_null()


def _relative(catalog: Catalog, decisions: Sequence[Decision]) -> list[str]:
    root = f"{catalog.layout.root}/"
    return [decision.file.location.removeprefix(root) for decision in decisions if decision.keep.any()]


def _alleles(files: Sequence[RowFile], subject: Subject) -> dict[str, pa.Array]:
    """By reference, the alleles that the sample carries at some snapshot, and nobody else at any."""
    mine: dict[str, pa.Array] = {}
    others = []
    for file in files:
        if file.table != "genotypes":
            continue
        owner = file.partition.get("sample_id")
        if owner is not None and owner not in subject.who.spellings:
            others.append(file)
            continue
        with open_location(file.location) as source:
            rows = pq.read_table(source, columns=["reference", "sample_id", "variant_id"])
        if owner is None:
            others.append(file)
        rows = rows.filter(pc.equal(rows["sample_id"], subject.sample))
        for reference in pc.unique(rows["reference"]).to_pylist():
            own = rows.filter(pc.equal(rows["reference"], reference))["variant_id"].combine_chunks()
            mine[reference] = pc.unique(pa.concat_arrays([mine.get(reference, own), own]))
    for file in others:
        reference = file.partition.get("reference")
        if reference is not None and reference not in mine:
            continue
        with open_location(file.location) as source:
            rows = pq.read_table(source, columns=["reference", "sample_id", "variant_id"])
        rows = rows.filter(pc.not_equal(rows["sample_id"], subject.sample))
        for name in pc.unique(rows["reference"]).to_pylist():
            if name in mine:
                theirs = rows.filter(pc.equal(rows["reference"], name))["variant_id"].combine_chunks()
                mine[name] = mine[name].filter(pc.invert(pc.is_in(mine[name], value_set=theirs)))
    return {reference: alleles for reference, alleles in mine.items() if len(alleles)}


def _scheduled(catalog: Catalog, files: Sequence[RowFile], subject: Subject, *, counts: bool) -> list[Loose]:
    """Files that DuckLake removes later and that hold something of the sample."""
    rows = catalog.query(
        "SELECT data_file_id, path, path_is_relative FROM"
        " __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion"
    ).to_pylist()
    found = []
    for row in rows:
        path = str(catalog.layout.data / row["path"]) if row["path_is_relative"] else row["path"]
        if location_exists(path) and _concerns(catalog, path, files, subject, counts=counts):
            size = Path(path).stat().st_size
            found.append(Loose(location=path, file_id=row["data_file_id"], bytes=size))
    return found


def _orphans(catalog: Catalog, files: Sequence[RowFile], subject: Subject, *, counts: bool) -> list[Loose]:
    """Files in the lake's folder that the catalog does not know and that hold something of the sample."""
    known = {file.location for file in files} | {each.location for file in files for each in file.deletes}
    known |= {
        str(catalog.layout.data / path)
        for path in catalog.query(
            "SELECT path FROM __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion"
        )["path"].to_pylist()
    }
    # What a job under way writes is not lost.
    journals = catalog.layout.jobs.glob("*") if catalog.layout.jobs.is_dir() else ()
    known |= {
        str(catalog.layout.root / line) for journal in journals for line in journal.read_text().splitlines()
    }
    return [
        Loose(location=str(path), file_id=None, bytes=path.stat().st_size)
        for path in sorted(catalog.layout.data.rglob("*.parquet"))
        if str(path) not in known and _concerns(catalog, str(path), files, subject, counts=counts)
    ]


def _concerns(
    catalog: Catalog, path: str, files: Sequence[RowFile], subject: Subject, *, counts: bool
) -> bool:
    if not location_exists(path):
        return False  # its job ended meanwhile
    if subject.who.found(path):
        return True
    parts = (
        Path(path).relative_to(catalog.layout.data).parts if catalog.layout.data in Path(path).parents else ()
    )
    if len(parts) < 3 or path.endswith("-delete.parquet"):
        return False
    table = parts[1]
    if table in COUNTS:
        return counts
    with open_location(path) as source:
        try:
            parquet = pq.ParquetFile(source)
        except pa.ArrowInvalid:
            return False  # the beginning of a file: the scan at the end looks into its bytes
        rows, names = parquet.metadata.num_rows, parquet.schema_arrow.names
    if table in TABLES and not set(TABLES[table].partition_by) <= set(names):
        return True  # a table's file that lacks its key: better gone than kept
    partition = {part.split("=", 1)[0]: part.split("=", 1)[1] for part in parts[2:-1] if "=" in part}
    file = RowFile(
        file_id=-1,
        table_id=-1,
        table=table,
        folder="",
        location=path,
        rows=rows,
        bytes=0,
        row_id_start=0,
        begin_snapshot=0,
        end_snapshot=None,
        checksum=None,
        partition={key: None if value.startswith("__HIVE") else value for key, value in partition.items()},
    )
    return decide(file, subject, Context(alleles=_alleles(files, subject))) is not None


def _named_runs(subject: Subject) -> list[str]:
    return sorted(run for run in subject.runs - subject.own_runs if subject.who.found(run))
