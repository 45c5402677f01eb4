"""Consequences of the alleles of the lake that have none yet, by the gene models it has now."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from baselake.catalog.annotations import GENES, current_release
from baselake.catalog.catalog import Catalog
from baselake.catalog.job import Job, Transaction
from baselake.catalog.references import Reference, open_reference
from baselake.compute.annotate.consequences import ContigConsequences
from baselake.errors import ConflictError, NotFoundError
from baselake.lake.schema import CONSEQUENCES
from baselake.progress import QUIET, Progress

# Alleles asked about at a time: with the ten transcripts that one of human has on average, some 50 MB of rows.
_ALLELES = 16_384
_ERASURES = "SELECT count(*) AS n FROM __ducklake_metadata_lake.baselake_erasures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated:
    """What was done.

    Attributes:
        version: of the gene models.
        alleles: annotated now.
        rows: of `consequences` written.
    """

    version: str
    alleles: int
    rows: int


def annotate_variants(
    catalog: Catalog, reference: str | None = None, progress: Progress = QUIET
) -> Annotated:
    """Annotate alleles that the gene models of now have not been asked about; all become visible together.

    Rows that an earlier release of gene models made go in the same transaction.

    Args:
        catalog: the lake.
        reference: the assembly; None: the only one.
        progress: where progress is shown.

    Raises:
        NotFoundError: no such reference, or it has no gene models.
        ConflictError: another process annotated, loaded gene models or erased somebody meanwhile.
        StorageError: the disk is full or fails.
    """
    assembly = open_reference(catalog, reference)
    release = current_release(catalog, GENES, assembly.name)
    if release is None:
        raise NotFoundError(
            f"reference {assembly.name} has no gene models",
            str(catalog.layout.root),
            f"Load them: baselake annotate genes FILE --reference {assembly.name}",
        )
    release_id, version = release.release_id, release.version
    before = _state(catalog, assembly, release_id)
    parameters = {"reference": assembly.name, "release": version}
    with catalog.job("annotate variants", parameters) as job:
        alleles, rows = 0, 0
        with progress.task("annotate", total=None, unit="alleles") as task:
            for contig in assembly.lengths:
                for done, made in _contig(catalog, job, assembly, contig, release_id):
                    alleles += done
                    rows += made
                    task.advance(done)
        if not alleles and not _older(catalog, assembly, release_id):
            progress.note("every allele is annotated already")
            return Annotated(version=version, alleles=0, rows=0)
        with job.commit() as tx:
            now = current_release(tx, GENES, assembly.name)
            if now is None or now.release_id != release_id or _state(tx, assembly, release_id) != before:
                raise ConflictError(
                    "another process annotated, loaded gene models or erased a sample meanwhile",
                    job.id,
                    "Nothing was changed; run the same command again",
                )
            tx.execute(
                "DELETE FROM consequences WHERE reference = ? AND release_id <> ?",
                [assembly.name, release_id],
            )
    return Annotated(version=version, alleles=alleles, rows=rows)


def _state(place: Catalog | Transaction, assembly: Reference, release_id: str) -> tuple[int, int]:
    """What would change if another process did the same work, or took alleles away."""
    done = place.query(
        "SELECT count(*) AS n FROM consequences WHERE reference = ? AND release_id = ?",
        [assembly.name, release_id],
    )
    return done["n"][0].as_py(), place.query(_ERASURES)["n"][0].as_py()


def _older(catalog: Catalog, assembly: Reference, release_id: str) -> bool:
    sql = "SELECT 1 FROM consequences WHERE reference = ? AND release_id <> ? LIMIT 1"
    return catalog.query(sql, [assembly.name, release_id]).num_rows > 0


def _contig(
    catalog: Catalog, job: Job, assembly: Reference, contig: str, release_id: str
) -> Iterator[tuple[int, int]]:
    """Write the rows of a contig; yields how many alleles and rows each part has."""
    asked = {"reference": assembly.name, "contig": contig, "release": release_id}
    alleles = catalog.stream(catalog.statement("alleles_to_annotate"), asked, _ALLELES)
    first = next(iter(alleles), None)
    if first is None:
        return
    transcripts = catalog.query(catalog.statement("transcripts_of_contig"), asked)
    asked_of = ContigConsequences(contig, assembly.bases(contig, 0, assembly.lengths[contig]), transcripts)
    constants = {"reference": assembly.name, "contig": contig, "release_id": release_id}
    with job.writer(CONSEQUENCES.name, {"reference": assembly.name, "contig": contig}) as out:
        for part in _and_then(first, alleles):
            given = pa.Table.from_batches([part])
            rows = asked_of.annotate(given)
            which = rows["variant"].combine_chunks()
            for name in ("variant_id", "start"):
                rows = rows.append_column(name, given[name].combine_chunks().take(which))
            for name, value in constants.items():
                rows = rows.append_column(name, pa.repeat(value, rows.num_rows).dictionary_encode())
            out.write(rows.select(CONSEQUENCES.schema.names))
            yield given.num_rows, rows.num_rows


def _and_then(first: pa.RecordBatch, rest: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest
