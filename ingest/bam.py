"""Import of SAM, BAM and CRAM: reads, and for aligned files alignments.

Every primary record gives a row of `read_records`, turned back as the sequencer read it; every record of an aligned
file a row of `alignments`, as it is. A file is aligned where any record lies on a contig.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.job import Transaction
from baselake.catalog.samples import aligned_samples
from baselake.errors import ConflictError
from baselake.ingest.bam_plan import ReadGroup, Source, by_sample, plan_source, require_compatible
from baselake.ingest.bam_rows import Order, OutOfOrder, Written, write_rows
from baselake.ingest.known import KnownContent, is_imported, possible_references
from baselake.ingest.run_records import put_run
from baselake.ingest.run_source import RunDescription
from baselake.ingest.sam_stream import open_stream
from baselake.ingest.samples import NoSample, record_sample, record_sex
from baselake.progress import QUIET, Progress

# Of the memory a command may use: the rest goes to batches on their way to Parquet.
_WAITING_SHARE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class BamImport:
    """What an import did.

    Attributes:
        files: imported now.
        skipped: in the lake already, by content.
        samples: of the files given, sorted.
        reads, alignments: rows added.
    """

    files: tuple[Path, ...]
    skipped: tuple[Path, ...]
    samples: tuple[str, ...]
    reads: int
    alignments: int


def ingest_bam(
    catalog: Catalog,
    paths: Sequence[Path],
    *,
    sample: str | NoSample | None = None,
    library: str | None = None,
    reference: str | None = None,
    sex: str | None = None,
    run: RunDescription | None = None,
    progress: Progress = QUIET,
) -> BamImport:
    """Import SAM, BAM or CRAM files, all of them or none; those in the lake already are left out.

    Args:
        catalog: the lake.
        paths: the files.
        sample: the sample they are of; None: as their read groups say, see `plan_source`.
        library: the library; None: as their read groups say.
        reference: the registered assembly they are aligned to; None: found by their @SQ lines.
        sex: `male` or `female`, recorded with the samples.
        run: the sequencer's run they are of; None takes it from read names.
        progress: where progress is shown.

    Raises:
        NotFoundError: no such file or reference.
        InputError: a file is not what its format says, or lies on an assembly that is not registered; the message
            names file and record.
        ConflictError: a sample has alignments on the assembly already, or a file was imported as another sample's.
        StorageError: the disk is full or fails.
    """
    references = possible_references(catalog, reference)
    given: list[Source] = []
    planned: dict[str, Source] = {}
    skipped: list[Path] = []
    for path in paths:
        source = plan_source(
            catalog, path, sample=sample, library=library, references=references, chosen=reference, run=run
        )
        given.append(source)
        if source.source_id in planned or is_imported(
            catalog, "source_id", source.source_id, source.samples, source.path
        ):
            progress.note(f"{path.name} is in the lake already")
            skipped.append(path)
        else:
            planned[source.source_id] = source
    samples = sorted({sample for source in given for sample in source.samples})
    sources = list(planned.values())
    for source in list(sources):
        if _aligned_from(catalog, source):
            progress.note(f"the content of {source.path.name} is in the lake already")
            skipped.append(source.path)
            sources.remove(source)
    while sources:
        require_compatible(sources)
        try:
            return _import(catalog, sources, skipped, sex, progress)
        except KnownContent as known:
            for path in sorted(known.paths):
                progress.note(f"the content of {path.name} is in the lake already")
            skipped.extend(sorted(known.paths))
            sources = [source for source in sources if source.path not in known.paths]
    if sex is not None:
        record_sex(catalog, samples, sex)
    return BamImport(files=(), skipped=tuple(skipped), samples=tuple(samples), reads=0, alignments=0)


def _aligned_from(catalog: Catalog, source: Source) -> bool:
    """Whether the sample's alignments on the file's assembly have come from a file of the same content.

    Told before anything is written, at the price of reading the file.

    Raises:
        ConflictError: they have come from another source.
    """
    reference = source.match.reference
    known = aligned_samples(catalog, reference.name, source.samples) if reference is not None else set()
    if not known:
        return False
    assert reference is not None
    with open_stream(source.path, source.form, reference.fasta) as stream:
        for _ in stream:
            pass
        if is_imported(catalog, "content_id", stream.content_id, source.samples, source.path):
            return True
    raise _aligned_already(known, reference.name, str(source.path))


def _aligned_already(samples: set[str], reference: str, where: str) -> ConflictError:
    return ConflictError(
        f"sample {', '.join(sorted(samples))} has alignments on reference {reference} already, from another source",
        where,
        "Import the file as another sample with --sample NAME",
    )


def _import(
    catalog: Catalog, sources: Sequence[Source], skipped: Sequence[Path], sex: str | None, progress: Progress
) -> BamImport:
    # Files of one sample are merged, which takes sorting; a file by itself is taken to be sorted until it is not.
    unsorted: set[Path] = set()
    while True:
        try:
            outcomes = _attempt(catalog, sources, unsorted, sex, progress)
            break
        except OutOfOrder as found:
            progress.note(f"{found}: out of coordinate order, so the file is sorted")
            unsorted.add(found.path)
    for files, written in outcomes:
        for source in files:
            if not written.records[source.path]:
                whose = ", ".join(source.samples)
                progress.note(
                    f"WARNING: {source.path.name} has a header and no records: nothing of {whose} came from it"
                )
    return BamImport(
        files=tuple(source.path for source in sources),
        skipped=tuple(skipped),
        samples=tuple(sorted({sample for source in sources for sample in source.samples})),
        reads=sum(written.reads for _, written in outcomes),
        alignments=sum(written.alignments for _, written in outcomes),
    )


def _attempt(
    catalog: Catalog, sources: Sequence[Source], unsorted: set[Path], sex: str | None, progress: Progress
) -> list[tuple[list[Source], Written]]:
    names = {source.match.reference.name for source in sources if source.match.reference is not None}
    # `reference` in the lineage of an import tells which alignments its headers belong to (catalog/export/bam.py).
    run = sources[0].run
    parameters = {
        "files": len(sources),
        "reference": next(iter(names), None),
        "sex": sex,
        "run_id": run.run_id if run is not None else None,
    }
    memory = catalog.config.memory_bytes // _WAITING_SHARE
    outcomes = []
    with catalog.job("ingest", parameters) as job:
        for files in by_sample(sources):
            # Without contigs there is nothing to sort: the reads stay in the order of the files.
            merged = len(files) > 1 and bool(files[0].header.contigs)
            order: Order = "sort" if merged or files[0].path in unsorted else "stream"
            outcomes.append((files, write_rows(job, files, order, memory, progress)))
        for source in sources:
            job.inputs.append(source.source_id)
            job.bytes_near += source.path.stat().st_size
        groups = {group for files, written in outcomes for group in _groups(files, written)}
        job.inputs.extend(f"read_group:{name}" for name in sorted(groups))
        with job.commit() as tx:
            _require_new(tx, outcomes)
            for files, written in outcomes:
                _record(tx, job.id, files, written)
                for sample in sorted(
                    {sample for source in files for sample in source.samples} | written.aligned
                ):
                    record_sample(tx, sample, sex)
    return outcomes


def _require_new(tx: Transaction, outcomes: Sequence[tuple[Sequence[Source], Written]]) -> None:
    """What only the transaction can tell: nobody has brought the same content or alignments meanwhile."""
    known: set[Path] = set()
    seen: set[str] = set()
    for files, written in outcomes:
        for source in files:
            content = written.content_ids[source.path]
            if content in seen or is_imported(tx, "content_id", content, source.samples, source.path):
                known.add(source.path)
            seen.add(content)
    if known:
        raise KnownContent(known)
    for files, written in outcomes:
        reference = files[0].match.reference
        for sample in sorted(written.aligned) if reference is not None else []:
            assert reference is not None
            there = tx.query(
                "SELECT 1 FROM alignments WHERE reference = ? AND sample_id = ? LIMIT 1",
                [reference.name, sample],
            )
            if there.num_rows:
                raise _aligned_already({sample}, reference.name, str(files[0].path))


def _record(tx: Transaction, job_id: str, files: Sequence[Source], written: Written) -> None:
    """Add the rows of read_groups, runs and source_files."""
    _record_read_groups(tx, files, written)
    _record_runs(tx, job_id, files, written)
    rows = []
    for source in files:
        groups = {group.read_group_id for group in (*source.groups, source.rest)}
        runs = {run for name in groups for run, _ in written.lanes.get(name, ())}
        if source.run is not None:
            runs = {source.run_id}
        rows.append(
            {
                "source_id": source.source_id,
                "content_id": written.content_ids[source.path],
                "path": str(source.path.resolve()),
                "format": source.form,
                "bytes": source.path.stat().st_size,
                "records": written.records[source.path],
                "run_id": next(iter(runs)) if len(runs) == 1 else None,
                "sample_ids": source.samples,
                "header": source.header.text,
                "job_id": job_id,
            }
        )
    tx.insert("source_files", pa.Table.from_pylist(rows))


def _groups(files: Sequence[Source], written: Written) -> dict[str, ReadGroup]:
    """The read groups of files, by their id in the lake."""
    groups = {group.read_group_id: group for source in files for group in source.groups}
    # The group of reads without one is there only if there are such reads.
    return groups | {
        source.rest.read_group_id: source.rest for source in files if source.path in written.ungrouped
    }


def _record_read_groups(tx: Transaction, files: Sequence[Source], written: Written) -> None:
    for group in _groups(files, written).values():
        there = tx.query(
            "SELECT id, sample_id FROM read_groups WHERE read_group_id = ?", [group.read_group_id]
        )
        if there.num_rows and there.to_pylist() != [{"id": group.id, "sample_id": group.sample_id}]:
            raise ConflictError(
                "another import has just brought a different read group of that name",
                f"read group {group.read_group_id}",
                "Run the same command again",
            )
        if there.num_rows:
            continue
        lanes = written.lanes.get(group.read_group_id, set())
        runs = {run for run, _ in lanes}
        (run_id, lane) = (
            next(iter(lanes)) if len(lanes) == 1 else (next(iter(runs)) if len(runs) == 1 else None, None)
        )
        tx.execute(
            "INSERT INTO read_groups (read_group_id, id, sample_id, library, run_id, lane, barcode, platform,"
            " platform_unit, attributes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, map(?::VARCHAR[], ?::VARCHAR[]))",
            [
                group.read_group_id,
                group.id,
                group.sample_id,
                group.library,
                run_id,
                lane,
                group.barcode,
                group.platform,
                group.platform_unit,
                list(group.attributes),
                list(group.attributes.values()),
            ],
        )


def _record_runs(tx: Transaction, job_id: str, files: Sequence[Source], written: Written) -> None:
    run = files[0].run
    if run is not None:
        if not tx.query("SELECT 1 FROM runs WHERE run_id = ?", [run.run_id]).num_rows:
            put_run(tx, run, "imported")
        return
    platforms = {group.read_group_id: group.platform for source in files for group in source.groups}
    imports = {source.run_id for source in files}
    new = {}
    for read_group_id, lanes in written.lanes.items():
        for run_id in sorted({name for name, _ in lanes}):
            if run_id in new or tx.query("SELECT 1 FROM runs WHERE run_id = ?", [run_id]).num_rows:
                continue
            # A run that read names tell is spelled instrument_run_flowcell.
            instrument, _, flowcell = (None, None, None) if run_id in imports else run_id.rsplit("_", 2)
            new[run_id] = {
                "run_id": run_id,
                "platform": platforms.get(read_group_id) or ("ILLUMINA" if flowcell else None),
                "instrument": instrument,
                "flowcell": flowcell,
                "state": "imported",
                "job_id": job_id,
            }
    tx.insert("runs", pa.Table.from_pylist(list(new.values())))
