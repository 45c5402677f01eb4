"""Import of VCF, BCF and gVCF: variants, genotypes, reference blocks, and the records as they came."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.counting import Membership, Tallied, count_files, memberships, recounted
from baselake.catalog.job import Job, Transaction
from baselake.catalog.references import Reference
from baselake.catalog.samples import sample_names
from baselake.errors import ConflictError, InputError
from baselake.ingest.compressed import Digest
from baselake.ingest.known import KnownContent, is_imported, possible_references
from baselake.ingest.samples import record_sample, record_samples
from baselake.ingest.vcf.contig import ContigWriter
from baselake.ingest.vcf.source import Reading, VcfFile, choose_reference, open_vcf
from baselake.ingest.vcf.tallies import Tallies
from baselake.progress import QUIET, Progress

# Of the memory a command may use: what one part of a file may take; some wait to be written.
_PART_SHARE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class VcfImport:
    """What an import did.

    Attributes:
        files: imported now.
        skipped: in the lake already, by content.
        samples: of the files given, sorted.
        records: data lines imported.
    """

    files: tuple[Path, ...]
    skipped: tuple[Path, ...]
    samples: tuple[str, ...]
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """A file to import, by its `source_id`, the assembly it is on, and the lake's names of its samples."""

    file: VcfFile
    source_id: str
    reference: Reference
    samples: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Written:
    """What was written of a file.

    Attributes:
        digest: of the file.
        records: in it.
        variants: by contig, rows of `variants`, each allele once.
        spans: by contig, the first and the last start of what the samples have there.
        tallies: of genotypes, where the file has several samples.
        tallied: the files that these are in.
    """

    digest: Digest
    records: int
    variants: dict[str, pa.Table] = field(default_factory=dict)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    tallies: list[pa.Table] = field(default_factory=list)
    tallied: list[Path] = field(default_factory=list)


def ingest_vcf(
    catalog: Catalog,
    paths: Sequence[Path],
    *,
    sample: str | None = None,
    reference: str | None = None,
    sex: str | None = None,
    progress: Progress = QUIET,
) -> VcfImport:
    """Import VCF, BCF and gVCF files, all of them or none; those in the lake already are left out.

    Records are split into one row for each alternate, which is trimmed and moved as far left as the reference allows.

    Args:
        catalog: the lake.
        paths: the files, plain, gzipped or bgzipped.
        sample: the lake's name of a file's only sample; None: as the file names it.
        reference: the registered assembly they are on; None: found by the contigs the header declares.
        sex: `male` or `female`, recorded with the sample of a file of one.
        progress: where progress is shown.

    Raises:
        NotFoundError: no such file or reference.
        InputError: a file is not what its format says, or is on another assembly; the message names file and line.
        ConflictError: a sample has calls there already, from another source, or a file was imported as another
            sample's.
        StorageError: the disk is full or fails.
    """
    from baselake.ingest.compressed import file_source_id

    planned: list[_Planned] = []
    skipped: list[Path] = []
    seen: set[str] = set()
    samples: set[str] = set()
    for path in paths:
        file = open_vcf(path)
        names = _names(file, sample, sex)
        samples |= set(names)
        source_id = file_source_id(path)
        if source_id in seen or is_imported(catalog, "source_id", source_id, names, path):
            progress.note(f"{path.name} is in the lake already")
            skipped.append(path)
            continue
        seen.add(source_id)
        chosen = choose_reference(file, possible_references(catalog, reference), reference)
        planned.append(_Planned(file=file, source_id=source_id, reference=chosen, samples=names))
    records = 0
    while planned:
        try:
            records = _import(catalog, planned, sex, progress)
            break
        except KnownContent as known:
            for path in sorted(known.paths):
                progress.note(f"the content of {path.name} is in the lake already")
            skipped.extend(sorted(known.paths))
            planned = [each for each in planned if each.file.path not in known.paths]
    return VcfImport(
        files=tuple(each.file.path for each in planned),
        skipped=tuple(skipped),
        samples=tuple(sorted(samples)),
        records=records,
    )


def _names(file: VcfFile, sample: str | None, sex: str | None) -> tuple[str, ...]:
    found = file.header.samples
    if len(found) != 1 and (sample is not None or sex is not None):
        raise InputError(
            f"the file has {len(found)} samples, and --sample and --sex are for files of one",
            str(file.path),
            "Leave them out; bcftools reheader --samples gives samples other names",
        )
    return (sample,) if sample is not None else found


def _import(catalog: Catalog, planned: Sequence[_Planned], sex: str | None, progress: Progress) -> int:
    names = {each.reference.name for each in planned}
    everybody = sorted({name for each in planned for name in each.samples})
    parameters = {
        "files": len(planned),
        "reference": next(iter(names)) if len(names) == 1 else None,
        # Lineage tells a job of one sample by this.
        "sample": everybody[0] if len(everybody) == 1 else None,
        "sex": sex,
    }
    with catalog.job("ingest", parameters) as job:
        # Samples that the lake does not know will have nothing but what is in the files.
        fresh = set(everybody).difference(sample_names(catalog))
        members = memberships(catalog, job, sorted(fresh))
        written = [_write(catalog, job, each, members, progress) for each in planned]
        for done in written:
            job.inputs.append(done.digest.source_id)
            job.bytes_near += done.digest.bytes
        changed = _changed(planned, written)
        alleles = _alleles(planned, written)
        # Some may have come while the files were read.
        fresh.difference_update(sample_names(catalog))
        counted: dict[str, frozenset[Membership]] = {}
        for name, (samples, _) in changed.items():
            rows = [table for (reference, _), table in alleles.items() if reference == name]
            new = [sample for sample in samples if sample in fresh]
            tallied = _tallied(planned, written, name, members)
            counted[name] = count_files(catalog, job, new, name, rows, tallied)
        with job.commit() as tx:
            _require_new(tx, planned, written)
            _require_fresh(tx, catalog, fresh)
            with ExitStack() as counts:
                for name, (samples, contigs) in changed.items():
                    counts.enter_context(recounted(job, tx, samples, name, contigs, counted[name]))
                for table in alleles.values():
                    tx.add_new("variants", table, ("reference", "variant_id"))
            for each, done in zip(planned, written, strict=True):
                _record(tx, job.id, each, done, sex)
    return sum(done.records for done in written)


def _changed(
    planned: Sequence[_Planned], written: Sequence[_Written]
) -> dict[str, tuple[list[str], list[str]]]:
    """By assembly, the samples that have calls in the files, and the contigs."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for each, done in zip(planned, written, strict=True):
        samples, contigs = found.setdefault(each.reference.name, (set(), set()))
        samples.update(each.samples)
        contigs.update(done.spans)
    return {name: (sorted(samples), sorted(contigs)) for name, (samples, contigs) in found.items()}


def _tallied(
    planned: Sequence[_Planned], written: Sequence[_Written], reference: str, members: Collection[Membership]
) -> Tallied:
    """What was added up of the files on an assembly."""
    here = [
        (each, done) for each, done in zip(planned, written, strict=True) if each.reference.name == reference
    ]
    samples = {name for each, _ in here for name in each.samples}
    return Tallied(
        counted=frozenset(one for one in members if one[1] in samples),
        files=frozenset(path for _, done in here for path in done.tallied),
        rows=[table for _, done in here for table in done.tallies],
    )


def _write(
    catalog: Catalog, job: Job, planned: _Planned, members: Collection[Membership], progress: Progress
) -> _Written:
    """Write a file's rows; nothing of it is visible yet."""
    file = planned.file
    reading = Reading(file, planned.reference, catalog.config.memory_bytes // _PART_SHARE)
    alleles: dict[str, list[pa.Table]] = {}
    spans: dict[str, tuple[int, int]] = {}
    contigs: list[ContigWriter] = []
    # Of one sample alone sums would be as many as rows.
    tallies = Tallies(sorted(planned.samples), members) if len(planned.samples) > 1 else None
    job.of_samples(planned.samples)
    with (
        progress.task(f"ingest {file.path.name}", total=None, unit="records") as task,
        ExitStack() as stack,
    ):
        contig: ContigWriter | None = None
        for part in reading.parts():
            if contig is None or contig.name != part["contig"]:
                stack.close()
                constants = {
                    "reference": planned.reference.name,
                    "source_id": planned.source_id,
                    "contig": part["contig"],
                }
                contig = stack.enter_context(
                    ContigWriter(job, catalog.config.threads, planned.samples, constants, tallies)
                )
                contigs.append(contig)
            rows, span = contig.write(part)
            alleles.setdefault(contig.name, []).append(rows)
            if span is not None:
                first, last = spans.get(contig.name, span)
                spans[contig.name] = (min(first, span[0]), max(last, span[1]))
            task.advance(contig.records)
            contig.records = 0
    assert reading.digest is not None  # it has been read to its end
    if reading.misfits:
        progress.note(
            f"{file.path.name}: {reading.misfits:,} values of INFO are not of the declared type and are kept as text,"
            f" the first: {reading.misfit}"
        )
    if reading.digest.source_id != planned.source_id:
        raise InputError(
            "the file changed while it was read", str(file.path), "Wait until it is written completely"
        )
    return _Written(
        digest=reading.digest,
        records=reading.records,
        variants={name: _distinct(tables) for name, tables in alleles.items()},
        spans=spans,
        tallies=tallies.tables if tallies is not None else [],
        tallied=[path for each in contigs for path in each.files] if tallies is not None else [],
    )


def _distinct(tables: Iterable[pa.Table]) -> pa.Table:
    """Rows of `variants`, each allele once: the first of it."""
    rows = pa.concat_tables(tables)
    codes = rows["variant_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    _, places = np.unique(codes, return_index=True)
    return rows if len(places) == rows.num_rows else rows.take(pa.array(np.sort(places)))


def _require_new(tx: Transaction, planned: Sequence[_Planned], written: Sequence[_Written]) -> None:
    """What only the transaction can tell: nobody has brought the same content, or calls at the same place."""
    known: set[Path] = set()
    seen: set[str] = set()
    for each, done in zip(planned, written, strict=True):
        content = done.digest.content_id
        if content in seen or is_imported(tx, "content_id", content, each.samples, each.file.path):
            known.add(each.file.path)
        seen.add(content)
    if known:
        raise KnownContent(known)
    in_lake = set(tx.query("SELECT sample_id FROM samples")["sample_id"].to_pylist())
    taken: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for each, done in zip(planned, written, strict=True):
        where = str(each.file.path)
        for contig, (first, last) in done.spans.items():
            for sample in each.samples:
                spans = taken.setdefault((each.reference.name, sample, contig), [])
                if any(first <= end and start <= last for start, end in spans):
                    raise _called_already(sample, contig, each.reference.name, where)
                spans.append((first, last))
            # Who is new in the lake has nothing there.
            old = [sample for sample in each.samples if sample in in_lake]
            _require_uncalled(tx, each, old, contig, first, last)


def _require_uncalled(
    tx: Transaction, each: _Planned, known: Sequence[str], contig: str, first: int, last: int
) -> None:
    if not known:
        return
    # As constants they let DuckLake leave out others' files.
    marks = ", ".join("?" * len(known))
    for table in ("genotypes", "reference_blocks"):
        end = '"end"' if table == "reference_blocks" else "start + 1"
        found = tx.query(
            f"SELECT sample_id FROM {table} WHERE reference = ? AND contig = ? AND start <= ? AND {end} > ?"
            f" AND sample_id IN ({marks}) LIMIT 1",
            [each.reference.name, contig, last, first, *known],
        ).to_pylist()
        if found:
            raise _called_already(found[0]["sample_id"], contig, each.reference.name, str(each.file.path))


def _called_already(sample: str, contig: str, reference: str, where: str) -> ConflictError:
    return ConflictError(
        f"sample {sample} has calls on {contig} of {reference} there already, from another source",
        where,
        "Import the file as another sample's: --sample NAME, or bcftools reheader --samples",
    )


def _require_fresh(tx: Transaction, catalog: Catalog, fresh: Collection[str]) -> None:
    """See that nobody has brought samples meanwhile whose calls were counted as if they had no others."""
    known = set(tx.query("SELECT sample_id FROM samples")["sample_id"].to_pylist())
    if came := sorted(known.intersection(fresh)):
        raise ConflictError(
            f"sample {came[0]} came by another import meanwhile",
            str(catalog.layout.root),
            "Run the same command again",
        )


def _alleles(planned: Sequence[_Planned], written: Sequence[_Written]) -> dict[tuple[str, str], pa.Table]:
    """Alleles by assembly and contig. What several files of a job bring is one row."""
    alleles: dict[tuple[str, str], list[pa.Table]] = {}
    for each, done in zip(planned, written, strict=True):
        for contig, rows in done.variants.items():
            alleles.setdefault((each.reference.name, contig), []).append(rows)
    return {key: _distinct(tables) for key, tables in alleles.items()}


def _record(tx: Transaction, job_id: str, planned: _Planned, done: _Written, sex: str | None) -> None:
    """Add the rows of samples and source_files."""
    if sex is not None:
        record_sample(tx, planned.samples[0], sex)
    else:
        record_samples(tx, planned.samples)
    row = {
        "source_id": done.digest.source_id,
        "content_id": done.digest.content_id,
        "path": str(planned.file.path.resolve()),
        "format": planned.file.form,
        "bytes": done.digest.bytes,
        "records": done.records,
        "sample_ids": list(planned.samples),
        # The line of column names holds samples, which stand in sample_ids.
        "header": "\n".join(planned.file.header.lines) + "\n",
        "job_id": job_id,
    }
    tx.insert("source_files", pa.Table.from_pylist([row]))
