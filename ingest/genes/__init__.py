"""Gene models from GFF3 and GTF, as Ensembl, GENCODE and RefSeq write them."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from baselake.catalog.annotations import GENES, Release, current_release, record_release
from baselake.catalog.catalog import Catalog
from baselake.catalog.references import Reference, open_reference
from baselake.errors import InputError
from baselake.ingest.compressed import ReadAhead
from baselake.ingest.genes._reader import BuiltBatch, Fault, Reader
from baselake.progress import QUIET, Progress

# Lines of a header by which a file tells its release: GENCODE's, RefSeq's, Ensembl's.
_RELEASES = (r"##description: (.+)", r"#!annotation-source (.+)", r"#!genebuild-last-updated (.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneImport:
    """What an import did.

    Attributes:
        version: of the release.
        genes, transcripts: now in the lake.
        skipped: the content was there already, as the release that answers.
    """

    version: str
    genes: int
    transcripts: int
    skipped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    genes: pa.Table
    transcripts: pa.Table
    format: str
    features: int
    elsewhere: int
    version: str | None
    source_id: str
    content_id: str
    bytes: int


def load_genes(
    catalog: Catalog,
    path: Path,
    *,
    reference: str | None = None,
    version: str | None = None,
    progress: Progress = QUIET,
) -> GeneImport:
    """Take the gene models of a file for those of an assembly, in the place of the ones that it had.

    A file whose content is loaded already changes nothing. What an earlier release was is there in snapshots.

    Args:
        catalog: the lake.
        path: GFF3 or GTF, plain or gzipped.
        reference: the assembly; None: the only one. Its contigs may be named with chr or without.
        version: what the release is called; None: what the file says, else the file's name.
        progress: where progress is shown.

    Raises:
        NotFoundError: no such file or reference.
        InputError: the file is not what its format says, or of another assembly; the message names the line.
        StorageError: the file cannot be read.
    """
    assembly = open_reference(catalog, reference)
    read = _read(path, assembly, progress)
    if not read.transcripts.num_rows:
        raise InputError(
            f"no transcript in it is on a contig of reference {assembly.name}",
            str(path),
            "Give a GFF3 or GTF file with exons, of that assembly",
        )
    if read.elsewhere:
        progress.note(
            f"{path.name}: {read.elsewhere:,} of {read.features:,} features are on contigs that"
            f" {assembly.name} has not, and are left out"
        )
    named = version or read.version or path.name
    known = current_release(catalog, GENES, assembly.name)
    if known is not None and known.content_id == read.content_id:
        progress.note(f"the content of {path.name} is loaded already, as release {known.version}")
        return GeneImport(version=known.version, genes=0, transcripts=0, skipped=True)
    with catalog.job("annotate genes", {"file": path.resolve(), "reference": assembly.name}) as job:
        job.inputs.append(read.source_id)
        job.bytes_near += read.bytes
        constants = {"reference": assembly.name, "release_id": job.id}
        with job.commit() as tx:
            for table, rows in (("genes", read.genes), ("transcripts", read.transcripts)):
                tx.execute(f"DELETE FROM {table} WHERE reference = ?", [assembly.name])
                for name, value in constants.items():
                    rows = rows.append_column(name, pa.repeat(value, rows.num_rows))
                tx.insert(table, rows)
            record_release(
                tx,
                Release(
                    release_id=job.id,
                    source=GENES,
                    version=named,
                    kind="genes",
                    reference=assembly.name,
                    path=str(path.resolve()),
                    format=read.format,
                    columns=None,
                    source_id=read.source_id,
                    content_id=read.content_id,
                    bytes=read.bytes,
                    records=read.features,
                ),
            )
    return GeneImport(
        version=named, genes=read.genes.num_rows, transcripts=read.transcripts.num_rows, skipped=False
    )


def _read(path: Path, assembly: Reference, progress: Progress) -> _Read:
    reader = Reader([(contig.name, contig.length) for contig in assembly.contigs])
    with (
        ReadAhead(path) as chunks,
        progress.task(f"read {path.name}", total=None, unit="bytes") as task,
    ):
        try:
            while chunk := chunks.read():
                reader.feed(chunk, last=False)
                task.advance(len(chunk))
            reader.feed(b"", last=True)
            genes, transcripts = reader.finish()
        except Fault as fault:
            raise InputError(
                str(fault), f"{path}, line {reader.line}", "Correct the line, or leave it out"
            ) from fault
        digest = chunks.digest
    version = None
    for pattern in _RELEASES:
        for comment in reader.comments:
            if version is None and (match := re.fullmatch(pattern, comment)):
                version = match[1].strip()
    return _Read(
        genes=_rows(genes, assembly),
        transcripts=_rows(transcripts, assembly),
        format=reader.format,
        features=reader.features,
        elsewhere=reader.elsewhere,
        version=version,
        source_id=digest.source_id,
        content_id=digest.content_id,
        bytes=digest.bytes,
    )


def _rows(batch: BuiltBatch, assembly: Reference) -> pa.Table:
    """Rows by contig and start, contigs by name and flags as what they are."""
    rows = pa.Table.from_batches([pa.record_batch(batch)])
    order = np.lexsort((rows["end"].to_numpy(), rows["start"].to_numpy(), rows["contig"].to_numpy()))
    rows = rows.take(pa.array(order))
    names = pa.array([contig.name for contig in assembly.contigs], pa.string())
    rows = rows.set_column(0, "contig", names.take(rows["contig"].combine_chunks()))
    for flag in ("canonical", "whole_start", "whole_end"):
        if flag in rows.column_names:
            place = rows.column_names.index(flag)
            rows = rows.set_column(place, flag, rows[flag].cast(pa.bool_()))
    return rows
