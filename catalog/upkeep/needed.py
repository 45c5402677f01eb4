"""Every file that a snapshot of the lake needs: data files, kept objects, assemblies.

`doctor` checks this list, a backup writes it down.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from baselake.catalog.catalog import Catalog
from baselake.catalog.ever import ever
from baselake.catalog.files import StoredFile, stored_files
from baselake.catalog.objects import kept_objects
from baselake.errors import LakeError
from baselake.lake.partition import OBJECTS

# How partitions' columns are called where a person reads of them.
_WORDS = {"sample_id": "sample", "run_id": "run"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """A file that some snapshot needs.

    Attributes:
        kind: `rows`, `deletes`, `object`, `reference` (FASTA) or `index` (its .fai).
        path: relative to the lake, or absolute path or URL where it lies elsewhere.
        location: absolute path or URL.
        table: that tells of it.
        bytes: its size as the catalog has it; None: the catalog does not know.
        written_bytes: as it was when the file came; None likewise.
        checksum: hexadecimal; None: not known.
        algorithm: `xxh3` (XXH3-128), `sha256`, or empty where the content is known otherwise.
        rows: in a Parquet file; None for other kinds.
        file_id: DuckLake's number of a data file or delete file.
        taken_down: the file is in `baselake_files`, with a checksum or without.
        concerns: what of the lake is in it, as a person would say.
        contigs: of an assembly: name, length and MD5 of each, in order.
    """

    kind: str
    path: str
    location: str
    table: str
    bytes: int | None
    written_bytes: int | None
    checksum: str | None
    algorithm: str
    rows: int | None = None
    file_id: int | None = None
    taken_down: bool = True
    concerns: str
    contigs: tuple[tuple[str, int, str], ...] = ()


def needed_files(catalog: Catalog) -> tuple[list[Needed], list[LakeError]]:
    """What the snapshots of the lake need, those that are the past's alone included.

    Returns:
        The files, and why those are not among them of which a table tells that cannot be read: a file of the table
        itself, which is in the list, is damaged or gone.
    """
    needed, errors = data_files(catalog), []
    for tell in (object_files, assemblies):
        try:
            needed += tell(catalog)
        except LakeError as error:
            errors.append(error)
    return needed, errors


def data_files(catalog: Catalog) -> list[Needed]:
    """The Parquet files; this asks the metadata database alone, and so works whatever files are damaged."""
    partitions = {
        row["file_id"]: dict(zip(row["columns"], row["values"], strict=True))
        for row in catalog.query(catalog.statement("file_partitions")).to_pylist()
    }
    deleted_of = {
        row["file_id"]: row["of"] for row in catalog.query(catalog.statement("deleted_of")).to_pylist()
    }
    root = f"{catalog.layout.root}{os.sep}"
    needed = []
    for file in stored_files(catalog.connection, catalog.layout):
        of = file.file_id if file.kind == "rows" else deleted_of[file.file_id]
        needed.append(
            Needed(
                kind=file.kind,
                path=file.location.removeprefix(root),
                location=file.location,
                table=file.table,
                bytes=file.bytes,
                written_bytes=file.written_bytes,
                checksum=file.checksum,
                algorithm="xxh3",
                rows=file.rows,
                file_id=file.file_id,
                taken_down=file.written is not None,
                concerns=_concerns(file, partitions.get(of, {})),
            )
        )
    return needed


def object_files(catalog: Catalog) -> list[Needed]:
    """Files that runs brought and that are kept as they came.

    Raises:
        LakeError: the table cannot be read.
    """
    root = f"{catalog.layout.root}{os.sep}"
    return [
        Needed(
            kind="object",
            path=kept.location.removeprefix(root),
            location=kept.location,
            table=OBJECTS,
            bytes=kept.bytes,
            written_bytes=kept.bytes,
            checksum=kept.sha256,
            algorithm="sha256",
            concerns=f"{kept.name} of run {kept.run_id}",
        )
        for kept in kept_objects(catalog)
    ]


def assemblies(catalog: Catalog) -> list[Needed]:
    """The FASTA of every assembly, and its index.

    Raises:
        LakeError: the tables cannot be read.
    """
    contigs: dict[str, list[tuple[int, str, int, str]]] = {}
    for row in ever(catalog, "contigs", "reference, contig, ordinal, length, md5"):
        contigs.setdefault(row["reference"], []).append(
            (row["ordinal"], row["contig"], row["length"], row["md5"])
        )
    needed = []
    for row in ever(catalog, "references", "reference, digest"):
        fasta = catalog.layout.reference_fasta(row["digest"])
        of = tuple(contig[1:] for contig in sorted(contigs[row["reference"]]))
        entry = Needed(
            kind="reference",
            path=str(fasta.relative_to(catalog.layout.root)),
            location=str(fasta),
            table="references",
            bytes=sum(len(name) + length + 3 for name, length, _ in of),  # >name\nbases\n
            written_bytes=None,
            checksum=None,
            algorithm="",
            concerns=f"assembly {row['reference']}, without which nothing on it can be aligned, called or exported",
            contigs=of,
        )
        text = index_text(of)
        index = replace(
            entry, kind="index", path=f"{entry.path}.fai", location=f"{entry.location}.fai", bytes=len(text)
        )
        needed += [entry, index]
    return needed


def index_text(contigs: Sequence[tuple[str, int, str]]) -> bytes:
    """The .fai of a FASTA with one line a contig."""
    lines, offset = [], 0
    for name, length, _ in contigs:
        offset += len(name) + 2
        lines.append(f"{name}\t{length}\t{offset}\t{length}\t{length + 1}\n")
        offset += length + 1
    return "".join(lines).encode()


def _concerns(file: StoredFile, partition: Mapping[str, str | None]) -> str:
    where = ", ".join(
        f"{_WORDS.get(column, column)} {'unknown' if value is None else value}"
        for column, value in partition.items()
    )
    rows = f"{file.rows:,} row{'s' if file.rows != 1 else ''} of {file.table}{f' ({where})' if where else ''}"
    if file.kind == "deletes":
        rows = f"which {rows} were deleted"
    if file.end_snapshot is None:
        return rows
    last = file.end_snapshot - 1
    when = f"snapshot {last}" if last == file.begin_snapshot else f"snapshots {file.begin_snapshot} to {last}"
    return f"{rows}, in {when} alone"
