"""Germline variants of samples: alignment partitions in, genotypes and variants out, one commit a sample."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import cycle, groupby

import numpy as np
import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.counting import Membership, count_files, recounted
from baselake.catalog.job import Job, Transaction
from baselake.catalog.references import Reference
from baselake.catalog.work.inputs import count_inputs
from baselake.compute.arrow_columns import string_buffers
from baselake.compute.device import Gpu
from baselake.compute.in_order import in_order
from baselake.compute.mitochondrion import with_doubts
from baselake.compute.pileup import (
    DEFAULT_PARAMETERS,
    LONGEST_READ,
    PADDING,
    CallParameters,
    RegionCalls,
    genotype_region,
    mixture_of_region,
)
from baselake.compute.pileup.resident import DeviceAlignments
from baselake.compute.ploidy import (
    PloidySegment,
    is_autosome,
    is_mitochondrion,
    is_sex_chromosome,
    ploidy_segments,
)
from baselake.compute.reference_blocks import BlockWriter
from baselake.compute.windows import WindowAlignments, on_gpu, read_window
from baselake.errors import ConflictError, NotFoundError
from baselake.lake.parquet import TableWriter
from baselake.lake.region import Region, parse_region
from baselake.lake.schema import ALIGNMENTS, GENOTYPES, REFERENCE_BLOCKS, VARIANTS
from baselake.lake.variants import variant_types
from baselake.progress import QUIET, Progress

# A change of the model that changes calls must change this: samples called by another model are called again.
MODEL = "haplotype-3"

# Alignments read at a time: enough to keep a query's overhead small, few enough (about 200 MB at 150 bp) for
# several windows to be in memory.
_WINDOW_RECORDS = 400_000
_MAX_WINDOW = 1_000_000
# Parts of a window, and parts under way, for each core: enough that none waits for the last.
_PARTS = 2
# Windows with fewer alignments between them are read together: less than a row group is not decoded sooner.
_READ_TOGETHER = ALIGNMENTS.row_group_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """A stretch of one ploidy, called from alignments that are in memory together.

    Attributes:
        region: [start, end) of a contig.
        ploidy: copies of it.
        bins: where the bins of starts in it begin, and the alignments of each, in order.
    """

    region: Region
    ploidy: int
    bins: tuple[tuple[int, int], ...]

    @property
    def records(self) -> int:
        """Alignments there, about."""
        return sum(count for _, count in self.bins)

    def parts(self, number: int) -> Iterator[Region]:
        """Cuts it, where bins begin, into at most so many parts with about as many alignments each."""
        start, held, share = self.region.start, 0, self.records / number
        for begin, count in self.bins:
            if held >= share and start < begin < self.region.end:
                yield Region(self.region.contig, start, begin)
                start, held = begin, 0
            held += count
        yield Region(self.region.contig, start, self.region.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """What a sample has on one contig.

    Attributes:
        contig: its name.
        records: alignments there.
        files: names of the files that hold them.
        stretches: start and end of what the alignments of each bin of starts cover, and their number, in order.
    """

    contig: str
    records: int
    files: tuple[str, ...]
    stretches: tuple[tuple[int, int, int], ...]


def call_samples(
    catalog: Catalog,
    samples: Sequence[str],
    reference: Reference,
    *,
    region: Region | None = None,
    progress: Progress = QUIET,
    parameters: CallParameters = DEFAULT_PARAMETERS,
    gpus: Sequence[Gpu] = (),
) -> None:
    """Call SNVs and small indels of samples and commit them, a sample at a time.

    A sample that was called before, on the same alignments and by the same model, is left as it is. Where its
    alignments, its sex or the model have changed, its old genotypes are replaced in the same transaction.
    Results depend neither on the number of threads, nor on how the genome is cut, nor on the device.

    Args:
        catalog: the lake.
        samples: sample ids.
        reference: the assembly the samples are aligned to.
        region: call there only; None calls everywhere.
        progress: where progress and notes are shown.
        parameters: thresholds and priors.
        gpus: where to compute, parts of the genome in turn; none: on the CPU. What a GPU that fails has not done is
            computed on the CPU, and a note says so.

    Raises:
        NotFoundError: no such sample or contig, or a sample without alignments there.
        ConflictError: another process changed the alignments of a sample meanwhile.
        StorageError: the disk is full or fails.
    """
    if region is not None and region.contig not in reference.lengths:
        raise NotFoundError(f"no contig {region.contig!r}", f"reference {reference.name}")
    for sample in samples:
        _call_sample(catalog, sample, reference, region, progress, parameters, gpus)


def _call_sample(
    catalog: Catalog,
    sample: str,
    reference: Reference,
    region: Region | None,
    progress: Progress,
    parameters: CallParameters,
    gpus: Sequence[Gpu],
) -> None:
    sex = _sex(catalog, sample)
    alignments_made = catalog.statement("alignments_made")
    made = catalog.query(alignments_made, {"reference": reference.name, "sample": sample})
    spans = _spans(catalog, sample, reference, region)
    fingerprint = _fingerprint(spans)
    model = f"{MODEL} {sex or 'sex unknown'} {asdict(parameters)}"
    autosomal_depth = 0.0
    if mitochondrion := next((span.contig for span in spans if is_mitochondrion(span.contig)), None):
        autosomal_depth = _autosomal_depth(catalog, sample, reference)
        fingerprint[mitochondrion] += f" beside autosomes of {autosomal_depth:.1f}"
    asked = {
        "sample": sample,
        "reference": reference.name,
        "region": region,
        "model": model,
        "alignments": json.dumps(fingerprint),
    }
    where = f" in {region}" if region is not None else ""
    if _called_before(catalog, sample, reference, region, model, fingerprint):
        progress.note(f"{sample} is called already on {reference.name}{where}")
        return
    if sex is None and any(is_sex_chromosome(span.contig) for span in spans):
        progress.note(
            f"the sex of {sample} is not known: X and Y are called as diploid; tell it by"
            f" baselake samples set {sample} --sex male"
        )
    with catalog.job("call", asked) as job:
        job.of_samples([sample])
        count_inputs(catalog, job, "call", sample)
        job.inputs.extend(sorted({file for span in spans for file in span.files}))
        windows = list(_windows(spans, reference, region, sex))
        called = _calls(catalog, sample, reference, windows, progress, parameters, gpus, autosomal_depth)
        wanted = {span.contig: _segments(span.contig, reference, region, sex) for span in spans}
        beside = _blocks_beside(catalog, sample, reference, region)
        alleles, counts = _write_calls(job, sample, reference.name, called, wanted, beside)
        job.device = _computed_on(gpus)
        variants = [_variant_rows(reference.name, contig, found) for contig, found in alleles.items()]
        # Of a region the rest of its contig counts too, which is in no file of the job.
        counted: frozenset[Membership] = frozenset()
        if region is None:
            counted = count_files(catalog, job, [sample], reference.name, variants)
        with job.commit() as tx:
            if tx.query(alignments_made, {"reference": reference.name, "sample": sample}) != made:
                raise ConflictError(
                    f"the alignments of sample {sample} were changed while it was being called",
                    str(catalog.layout.root),
                    "Run the same command again",
                )
            contigs = None if region is None else [region.contig]
            with recounted(job, tx, [sample], reference.name, contigs, counted):
                _replace(tx, sample, reference.name, region)
                for rows in variants:
                    tx.add_new("variants", rows, ("reference", "variant_id"))
    if total := sum(counts):
        simple, realigned, assembled = (f"{100 * count / total:.1f}%" for count in counts)
        progress.note(
            f"{sample} may vary at {total:,} places: base qualities settle {simple}, haplotypes of the alignments"
            f" {realigned}, local assembly was needed for {assembled}"
        )


def _sex(catalog: Catalog, sample: str) -> str | None:
    rows = catalog.query("SELECT sex FROM samples WHERE sample_id = ?", [sample]).to_pylist()
    if not rows:
        raise NotFoundError(
            f"no sample {sample!r}", str(catalog.layout.root), "'baselake samples' lists them"
        )
    sex: str | None = rows[0]["sex"]
    return sex if sex in ("male", "female") else None


def _spans(catalog: Catalog, sample: str, reference: Reference, region: Region | None) -> list[_Span]:
    rows = catalog.query(
        catalog.statement("alignment_spans"),
        {
            "reference": reference.name,
            "sample": sample,
            "contig": region.contig if region is not None else None,
        },
    ).to_pylist()
    if not rows:
        on = f"{reference.name}, {region.contig}" if region is not None else reference.name
        raise NotFoundError(f"{sample} has no alignments on {on}", "", f"Run: baselake align {sample}")
    order = {contig: place for place, contig in enumerate(reference.lengths)}
    bins = sorted(rows, key=lambda row: (order[row["contig"]], row["first"]))
    spans = []
    for contig, group in groupby(bins, key=lambda row: row["contig"]):
        held = list(group)
        spans.append(
            _Span(
                contig=contig,
                records=sum(row["records"] for row in held),
                files=tuple(sorted({file.rsplit("/", 1)[-1] for row in held for file in row["files"]})),
                stretches=tuple((row["first"], row["last"], row["records"]) for row in held),
            )
        )
    return spans


def _autosomal_depth(catalog: Catalog, sample: str, reference: Reference) -> float:
    """Median depth of the autosomes; 0 where the sample has no alignments there."""
    autosomes = [contig for contig in reference.lengths if is_autosome(contig)]
    found = catalog.query(
        catalog.statement("autosomal_depth"),
        {"reference": reference.name, "sample": sample, "autosomes": autosomes},
    )["depth"][0].as_py()
    return found or 0.0


def _fingerprint(spans: Sequence[_Span]) -> dict[str, str]:
    """By contig, what tells whether its alignments have changed."""
    return {
        span.contig: hashlib.sha256(repr((span.records, span.files)).encode()).hexdigest()[:16]
        for span in spans
    }


def _called_before(
    catalog: Catalog,
    sample: str,
    reference: Reference,
    region: Region | None,
    model: str,
    fingerprint: Mapping[str, str],
) -> bool:
    """Whether the genotypes in the lake are what calling now would give.

    The latest calls are looked at first, and none behind one of another model or on other alignments.
    """
    rows = catalog.query(catalog.statement("calls_made"), {"sample": sample, "reference": reference.name})
    for made in rows.to_pylist():
        known = json.loads(made["alignments"])
        changed = any(known.get(contig, mark) != mark for contig, mark in fingerprint.items())
        if made["model"] != model or changed:
            return False
        there = parse_region(made["region"], reference.lengths) if made["region"] is not None else None
        if there is None and fingerprint.keys() <= known.keys():
            return True
        if there is None or region is None or there.contig != region.contig:
            continue
        if there.start <= region.start and region.end <= there.end:
            return True
    return False


def _windows(
    spans: Sequence[_Span], reference: Reference, region: Region | None, sex: str | None
) -> Iterator[_Window]:
    """The stretches to read, in order; none where nothing is aligned or the sample has no such chromosome."""
    for span in spans:
        cuts = list(_cuts(span.stretches))
        for segment in _segments(span.contig, reference, region, sex):
            for first, last, bins in cuts:
                start, end = max(first, segment.start), min(last, segment.end)
                if start < end:
                    yield _Window(region=Region(span.contig, start, end), ploidy=segment.ploidy, bins=bins)


def _segments(
    contig: str, reference: Reference, region: Region | None, sex: str | None
) -> list[PloidySegment]:
    """What of a contig is to be called, in order: not where the sample has no copy."""
    low, high = (region.start, region.end) if region is not None else (0, reference.lengths[contig])
    cut = (
        replace(segment, start=max(segment.start, low), end=min(segment.end, high))
        for segment in ploidy_segments(contig, reference.lengths, sex)
        if segment.ploidy
    )
    return [segment for segment in cut if segment.start < segment.end]


def _cuts(
    stretches: Iterable[tuple[int, int, int]],
) -> Iterator[tuple[int, int, tuple[tuple[int, int], ...]]]:
    """Windows (start, end, bins) of bounded size and number of alignments that hold all stretches, none overlapping."""
    start = end = records = 0
    bins: list[tuple[int, int]] = []
    for first, last, count in stretches:
        # A deletion is anchored one base before what it deletes, an insertion before the next base.
        begin, reach = max(first - 1, 0), max(end, last + 1)
        if records and (records + count > _WINDOW_RECORDS or reach - start > _MAX_WINDOW):
            yield start, min(end, begin), tuple(bins)
            start, records, bins = begin, 0, []
        elif not records:
            start = begin
        end = reach
        records += count
        bins.append((begin, count))
    if records:
        yield start, end, tuple(bins)


def _read_together(windows: Iterable[_Window]) -> Iterator[tuple[_Window, ...]]:
    """Neighbours of one contig whose alignments fit into a row group together; a larger window by itself."""
    held: list[_Window] = []
    records = 0
    for window in windows:
        other = held and held[-1].region.contig != window.region.contig
        if held and (other or records + window.records > _READ_TOGETHER):
            yield tuple(held)
            held, records = [], 0
        held.append(window)
        records += window.records
    if held:
        yield tuple(held)


def _calls(
    catalog: Catalog,
    sample: str,
    reference: Reference,
    windows: Sequence[_Window],
    progress: Progress,
    parameters: CallParameters,
    gpus: Sequence[Gpu],
    autosomal_depth: float,
) -> Iterator[tuple[Region, int, RegionCalls]]:
    """Every part of every window, its ploidy and what was called there, in order, computed on all cores.

    While parts of one window are called the next windows are read.
    """
    threads = catalog.config.threads
    total = sum(window.region.end - window.region.start for window in windows)
    groups = list(_read_together(windows))

    def read(turn: tuple[tuple[_Window, ...], Gpu | None]) -> WindowAlignments:
        group, gpu = turn
        first, last = group[0].region, group[-1].region
        bounds = {"start": first.start - PADDING, "end": last.end + PADDING, "contig": first.contig}
        asked = {"reference": reference.name, "sample": sample, **bounds}
        return read_window(catalog, asked, reference.lengths[first.contig], gpu, progress)

    def call(part: tuple[Region, int, WindowAlignments, Gpu | None]) -> tuple[Region, int, RegionCalls]:
        where, ploidy, alignments, gpu = part
        bases = reference.bases(where.contig, 0, reference.lengths[where.contig])

        def genotyped(rows: pa.Table | DeviceAlignments, device: Gpu | None) -> RegionCalls:
            there = (rows, bases, where.start, where.end)
            if not is_mitochondrion(where.contig):
                return genotype_region(*there, ploidy=ploidy, parameters=parameters, gpu=device)
            found = mixture_of_region(*there, parameters=parameters, gpu=device)
            return replace(found, calls=with_doubts(found.calls, len(bases), autosomal_depth))

        found = None
        if gpu is not None:
            rows = alignments.resident or alignments.rows.decoded()
            found = on_gpu(progress, gpu, lambda: genotyped(rows, gpu))
        return where, ploidy, found if found is not None else genotyped(alignments.rows.decoded(), None)

    with (
        ThreadPoolExecutor(threads) as pool,
        progress.task(f"call {sample}", total=total, unit="bases") as task,
    ):

        def parts() -> Iterator[tuple[Region, int, WindowAlignments, Gpu | None]]:
            told = False
            turns = list(zip(groups, cycle(gpus or (None,)), strict=False))
            for (group, gpu), alignments in zip(turns, in_order(pool, read, turns, 2), strict=True):
                if alignments.long and not told:
                    progress.note(
                        f"{sample} has reads of over {LONGEST_READ:,} bases: they take no part, variants are called"
                        " from short reads"
                    )
                    told = True
                for window in group:
                    for where in window.parts(_PARTS * threads):
                        yield where, window.ploidy, alignments, gpu

        for where, ploidy, found in in_order(pool, call, parts(), _PARTS * threads):
            yield where, ploidy, found
            task.advance(where.end - where.start)


def _computed_on(gpus: Sequence[Gpu]) -> str:
    """What lineage calls the devices."""
    names = [gpu.name for gpu in gpus]
    return ", ".join(names + ["cpu"] * (not gpus or any(gpu.lost for gpu in gpus)))


def _blocks_beside(catalog: Catalog, sample: str, reference: Reference, region: Region | None) -> pa.Table:
    """What is left of earlier blocks that reach into a region, cut at its ends."""
    if region is None:
        return REFERENCE_BLOCKS.schema.empty_table()
    bounds = {"contig": region.contig, "start": region.start, "end": region.end}
    sql = catalog.statement("blocks_beside")
    return catalog.query(sql, {"reference": reference.name, "sample": sample, **bounds})


def _write_calls(
    job: Job,
    sample: str,
    reference: str,
    called: Iterable[tuple[Region, int, RegionCalls]],
    wanted: Mapping[str, Sequence[PloidySegment]],
    beside: pa.Table,
) -> tuple[dict[str, pa.Table], tuple[int, int, int]]:
    """Write genotypes and reference blocks, one file each a contig.

    Returns:
        The alleles (start, ref, alt) of each contig, and how many active regions were simple, realigned, assembled.
    """
    alleles: dict[str, pa.Table] = {}
    counts = (0, 0, 0)
    before = beside.slice(0, int(np.count_nonzero(beside["end"].to_numpy() <= _first(wanted))))
    after = beside.slice(before.num_rows)
    parts = groupby(called, key=lambda part: part[0].contig)
    held = next(parts, None)
    for contig, segments in wanted.items():
        blocks = BlockWriter(job, reference, sample, contig, segments)
        blocks.keep(before)
        genotypes: TableWriter | None = None
        tables: list[pa.Table] = []
        for where, ploidy, found in held[1] if held is not None and held[0] == contig else ():
            counts = (
                counts[0] + found.simple,
                counts[1] + found.realigned,
                counts[2] + found.assembled,
            )
            blocks.add(where, ploidy, found.blocks)
            if not found.calls.num_rows:
                continue
            if genotypes is None:
                genotypes = job.writer("genotypes", {"reference": reference, "contig": contig})
            tables.append(found.calls.select(["start", "ref", "alt"]))
            genotypes.write(_genotype_rows(reference, sample, contig, found.calls))
        if held is not None and held[0] == contig:
            held = next(parts, None)
        if genotypes is not None:
            genotypes.close()
            alleles[contig] = pa.concat_tables(tables)
        blocks.finish()
        blocks.keep(after)
        blocks.close()
    return alleles, counts


def _first(wanted: Mapping[str, Sequence[PloidySegment]]) -> int:
    """The first base that is called."""
    return min((segment.start for segments in wanted.values() for segment in segments), default=0)


def _variant_ids(contig: str, calls: pa.Table) -> pa.Array:
    columns = (calls[name].to_pylist() for name in ("start", "ref", "alt"))
    ids = (f"{contig}-{start + 1}-{ref}-{alt}" for start, ref, alt in zip(*columns, strict=True))
    return pa.array(ids, pa.string())


def _genotype_rows(reference: str, sample: str, contig: str, calls: pa.Table) -> pa.Table:
    n = calls.num_rows
    columns = dict(zip(calls.column_names, calls.columns, strict=True)) | {
        "reference": pa.repeat(reference, n),
        "sample_id": pa.repeat(sample, n),
        "variant_id": _variant_ids(contig, calls),
        "contig": pa.repeat(contig, n),
    }
    # What only an imported genotype has.
    absent = (field for field in GENOTYPES.schema if field.name not in columns)
    columns |= {field.name: pa.nulls(n, field.type) for field in absent}
    return pa.table([columns[name] for name in GENOTYPES.schema.names], GENOTYPES.schema.names)


def _variant_rows(reference: str, contig: str, alleles: pa.Table) -> pa.Table:
    n = alleles.num_rows
    ref, alt = alleles["ref"].combine_chunks(), alleles["alt"].combine_chunks()
    ref_length = np.diff(string_buffers(ref)[0])
    columns = {
        "reference": pa.repeat(reference, n),
        "variant_id": _variant_ids(contig, alleles),
        "contig": pa.repeat(contig, n),
        "start": alleles["start"],
        "end": pa.array(alleles["start"].to_numpy() + ref_length, pa.int32()),
        "ref": ref,
        "alt": alt,
        "type": variant_types(ref, alt),
    }
    return pa.table([columns[name] for name in VARIANTS.schema.names], VARIANTS.schema.names)


def _replace(tx: Transaction, sample: str, reference: str, region: Region | None) -> None:
    """Delete the genotypes and blocks that the new ones replace."""
    where, values = "reference = ? AND sample_id = ?", [reference, sample]
    if region is None:
        tx.execute(f"DELETE FROM genotypes WHERE {where}", values)
        tx.execute(f"DELETE FROM reference_blocks WHERE {where}", values)
        return
    bounds = [region.contig, region.start, region.end]
    tx.execute(
        f"DELETE FROM genotypes WHERE {where} AND contig = ? AND start >= ? AND start < ?",
        [*values, *bounds],
    )
    tx.execute(
        f'DELETE FROM reference_blocks WHERE {where} AND contig = ? AND "end" > ? AND start < ?',
        [*values, *bounds],
    )
