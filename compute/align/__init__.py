"""Alignment: a sample's reads to sorted, duplicate-marked `alignments`, one commit a sample."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from baselake.catalog.catalog import Catalog, statement
from baselake.catalog.job import Transaction
from baselake.catalog.references import Reference
from baselake.catalog.work.inputs import count_inputs
from baselake.errors import ConflictError, NotFoundError
from baselake.progress import QUIET, Progress

# What aligns is imported where something is to be aligned: `baselake call` of aligned samples does not pay for it.
if TYPE_CHECKING:
    from baselake.compute.align.mapping import Mapper
    from baselake.compute.align.sample import ReadGroup

# Pixels up to which duplicates of a tile are optical ones, on flow cells without a pattern.
OPTICAL_DISTANCE = 100

# How many reads of every read group are aligned. A read has one primary record, mapped or not (FLAG without 0x100
# and 0x800), so that there are as many as reads just when everything is aligned.
_ALIGNED = """
SELECT read_group_id, count(*) AS reads
FROM alignments
WHERE reference = ? AND sample_id = ? AND flag & 2304 = 0 GROUP BY ALL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reads:
    """What a read group has.

    Attributes:
        reads: how many.
        jobs: that brought them. Reads of the same number and jobs are the same reads.
        files: names of the files that hold them; of a run folder's tiles, those that their import wrote.
    """

    reads: int
    jobs: tuple[str, ...]
    files: tuple[str, ...] = field(compare=False)


def align_samples(
    catalog: Catalog,
    samples: Sequence[str],
    reference: Reference,
    progress: Progress = QUIET,
    *,
    optical_distance: int = OPTICAL_DISTANCE,
) -> None:
    """Aligns samples to a reference, sorts, marks duplicates, and commits each sample by itself.

    A sample whose reads are all aligned on that reference, by baselake or in the BAM they came from, is left as
    it is. If some are not (reads were added since), all its reads are aligned and the old alignments replaced in
    the same transaction: duplicates are a property of the whole library, and could not be told otherwise.

    Args:
        catalog: the lake.
        samples: ids.
        reference: the assembly.
        progress: where progress is shown.
        optical_distance: pixels up to which duplicates of a tile are optical: 100, or 2500 for patterned flow cells.

    Raises:
        NotFoundError: no such sample, or a sample without reads.
        ConflictError: alignments of the sample have no reads in the lake to align again, or another process changed
            its reads or alignments meanwhile.
        StorageError: the disk is full or fails.
    """
    mapper: Mapper | None = None
    for sample in samples:
        reads, aligned = _state(catalog, sample, reference.name)
        if not reads:
            known = catalog.query("SELECT 1 FROM samples WHERE sample_id = ?", [sample]).num_rows
            what = f"sample {sample!r} has no reads" if known else f"no sample {sample!r}"
            raise NotFoundError(what, str(catalog.layout.root), "Run: baselake ingest")
        if {group: found.reads for group, found in reads.items()} == aligned:
            progress.note(f"{sample} is aligned to {reference.name} already")
            continue
        if foreign := sorted(aligned.keys() - reads.keys()):
            raise ConflictError(
                f"sample {sample} has alignments to {reference.name} whose reads are not in the lake",
                f"read group {foreign[0]}",
                "Ingest the file they came from again",
            )
        if mapper is None:
            # Nothing of this job is committed: it lends its scratch folder to an index that is not there yet.
            from baselake.compute.align.mapping import is_alternate, open_mapper

            if left_out := sum(is_alternate(contig.name) for contig in reference.contigs):
                progress.note(f"{left_out} ALT contigs of {reference.name} take no reads")
            with catalog.job("index") as job, progress.task(f"index {reference.name}"):
                mapper = open_mapper(reference, catalog.config.threads, job.scratch)
        _align_sample(catalog, mapper, sample, (reads, aligned), optical_distance, progress)


def _align_sample(
    catalog: Catalog,
    mapper: "Mapper",
    sample: str,
    state: tuple[dict[str, _Reads], dict[str, int]],
    optical_distance: int,
    progress: Progress,
) -> None:
    from baselake.compute.align.sample import write_alignments

    reads, aligned = state
    name = mapper.reference.name
    parameters = {"sample": sample, "reference": name, "optical_distance": optical_distance}
    with catalog.job("align", parameters | mapper.parameters()) as job:
        read_groups = _read_groups(catalog, sample, reads)
        count_inputs(catalog, job, "align", sample)
        job.inputs.extend(f"read_group:{group.id}" for group in read_groups)
        job.inputs.extend(sorted({file for found in reads.values() for file in found.files}))
        with progress.task(
            f"align {sample}", total=sum(found.reads for found in reads.values()), unit="reads"
        ) as task:
            write_alignments(catalog, job, mapper, sample, read_groups, optical_distance, task)
        with job.commit() as transaction:
            if _state(transaction, sample, name) != state:
                raise ConflictError(
                    f"the reads or alignments of sample {sample} were changed while it was being aligned",
                    str(catalog.layout.root),
                    "Run the same command again",
                )
            if aligned:
                transaction.execute(
                    "DELETE FROM stored_alignments WHERE reference = ? AND sample_id = ?", [name, sample]
                )


def _state(
    source: Catalog | Transaction, sample: str, reference: str
) -> tuple[dict[str, _Reads], dict[str, int]]:
    """Reads of the sample by read group, and how many of them are aligned."""
    reads = source.query(statement("reads_to_align"), {"sample": sample}).to_pylist()
    aligned = source.query(_ALIGNED, [reference, sample])
    return (
        {
            row["read_group_id"]: _Reads(
                reads=row["reads"], jobs=tuple(row["jobs"] or ()), files=tuple(row["files"] or ())
            )
            for row in reads
        },
        dict(zip(aligned["read_group_id"].to_pylist(), aligned["reads"].to_pylist(), strict=True)),
    )


def _read_groups(catalog: Catalog, sample: str, reads: dict[str, _Reads]) -> "list[ReadGroup]":
    from baselake.compute.align.sample import ReadGroup

    rows = catalog.query(
        "SELECT DISTINCT read_group_id, library FROM read_groups WHERE sample_id = ? ORDER BY ALL", [sample]
    ).to_pylist()
    return [
        ReadGroup(id=row["read_group_id"], library=row["library"])
        for row in rows
        if row["read_group_id"] in reads
    ]
