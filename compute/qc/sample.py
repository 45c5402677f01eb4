"""Quality control of one sample of a lake: its alignments and calls in, `sample_qc` and `coverage_windows` out."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import groupby

import numpy as np
import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.references import Reference
from baselake.catalog.work.inputs import count_inputs
from baselake.compute.ploidy import is_sex_chromosome
from baselake.compute.qc.calls import (
    LONGEST_INDEL,
    Balance,
    call_metrics,
    called,
    count_calls,
    indel_lengths,
    union_length,
    zygosity,
)
from baselake.compute.qc.depth import (
    DEEPEST,
    THRESHOLDS,
    Windows,
    add_changes,
    coverage_metrics,
    depth_histogram,
    depth_of,
    windows_of,
)
from baselake.compute.qc.reads import LONGEST_INSERT, batch_inserts, flag_metrics, insert_metrics
from baselake.compute.qc.sex import outside_par, sex_metrics
from baselake.errors import ConflictError, NotFoundError
from baselake.lake.schema import COVERAGE_WINDOWS
from baselake.progress import QUIET, Progress

# A change of what is measured, or how, must change this: samples measured otherwise are measured again.
MODEL = "qc-1"
WINDOW = 10_000
# Bases whose depth is in memory at once: a whole number of windows.
_STRETCH = 400 * WINDOW
# A base is callable from this genotype quality on: an error in a hundred.
CALLABLE_GQ = 20
# SNVs of X that its heterozygosity must rest on.
_LEAST_X = 20


class _Counts:
    """What is added up over a sample."""

    def __init__(self) -> None:
        self.depths = np.zeros(DEEPEST + 1, np.int64)
        self.covering = 0  # sum of all depths
        self.inserts = np.zeros(LONGEST_INSERT + 1, np.int64)
        self.indels = np.zeros(2 * LONGEST_INDEL + 1, np.int64)
        self.calls: dict[str, float] = {}
        self.balance = Balance()
        self.known = self.sure = 0
        self.x_het = self.x_sites = 0.0


def measure_sample(catalog: Catalog, sample: str, reference: Reference, progress: Progress = QUIET) -> bool:
    """Measure a called sample and commit what was found, in place of what was; False where that is up to date.

    Memory is bounded: depths of 4 million bases, and of a contig the windows and the calls' places, are held at once.

    Args:
        catalog: the lake.
        sample: its id.
        reference: the assembly it is aligned to.
        progress: where progress is shown.

    Raises:
        NotFoundError: it has no alignments there.
        ConflictError: another process changed its alignments or calls meanwhile.
        StorageError: the disk is full or fails.
    """
    whose = {"reference": reference.name, "sample": sample}
    made_of = catalog.query(catalog.statement("qc_made_of"), whose)
    if "stored_alignments" not in made_of["table_name"].to_pylist():
        raise NotFoundError(
            f"{sample} has no alignments on {reference.name}", "", f"Run: baselake align {sample}"
        )
    mark = hashlib.sha256(json.dumps(made_of.to_pylist()).encode()).hexdigest()[:32]
    known = catalog.query(catalog.statement("qc_known"), whose).to_pylist()
    if known == [{"made_of": mark, "model": MODEL}]:
        return False
    with catalog.job("qc", whose | {"model": MODEL, "made_of": mark}) as job:
        count_inputs(catalog, job, "qc", sample)
        job.inputs.extend(_inputs(catalog, whose))
        counts = _Counts()
        windows = _coverage(catalog, whose, reference, counts, progress)
        _count_called(catalog, whose, reference, counts)
        metrics = flag_metrics(*_flags(catalog, whose)) | insert_metrics(counts.inserts)
        metrics |= coverage_metrics(counts.depths, counts.covering)
        metrics |= sex_metrics(windows, _known_windows(reference, windows), reference.lengths)
        if counts.calls:
            metrics |= call_metrics(counts.calls) | counts.balance.metrics()
        if counts.x_sites >= _LEAST_X:
            metrics["x_het"] = counts.x_het / counts.x_sites
        if counts.known:
            metrics["callable_fraction"] = counts.sure / counts.known
        with job.writer("coverage_windows", {"reference": reference.name, "sample_id": sample}) as out:
            for contig in sorted(windows):
                out.write(_window_rows(reference.name, sample, contig, windows[contig]))
        rows = _metric_rows(reference.name, sample, job.id, metrics, counts)
        with job.commit() as tx:
            if tx.query(catalog.statement("qc_made_of"), whose) != made_of:
                raise ConflictError(
                    f"the alignments or calls of sample {sample} were changed while they were measured",
                    str(catalog.layout.root),
                    "Run the same command again",
                )
            for table in ("sample_qc", "coverage_windows"):
                tx.execute(
                    f"DELETE FROM {table} WHERE reference = ? AND sample_id = ?", [reference.name, sample]
                )
            tx.insert("sample_qc", rows)
    return True


def _inputs(catalog: Catalog, whose: Mapping[str, str]) -> list[str]:
    found: set[str] = set()
    for table in ("stored_alignments", "genotypes", "reference_blocks"):
        rows = catalog.query(
            f"SELECT DISTINCT filename FROM {table} WHERE reference = $reference AND sample_id = $sample",
            whose,
        )
        found |= {file.rsplit("/", 1)[-1] for file in rows["filename"].to_pylist()}
    return sorted(found)


def _flags(catalog: Catalog, whose: Mapping[str, str]) -> tuple[np.ndarray, np.ndarray]:
    rows = catalog.query(
        "SELECT flag, count(*) AS records FROM stored_alignments"
        " WHERE reference = $reference AND sample_id = $sample GROUP BY flag",
        whose,
    )
    return rows["flag"].to_numpy(), rows["records"].to_numpy()


def _coverage(
    catalog: Catalog, whose: Mapping[str, str], reference: Reference, counts: _Counts, progress: Progress
) -> dict[str, Windows]:
    """Windows of every contig with alignments, in the assembly's order; depths and templates are counted on the way."""
    spans = catalog.query(catalog.statement("alignment_spans"), {**whose, "contig": None}).to_pylist()
    order = {contig: place for place, contig in enumerate(reference.lengths)}
    spans.sort(key=lambda row: (order[row["contig"]], row["first"]))
    total = sum(row["records"] for row in spans)
    found = {}
    with progress.task(f"measure {whose['sample']}", total=total, unit="alignments") as task:
        for contig, group in groupby(spans, key=lambda row: row["contig"]):
            reached = [(row["first"], row["last"]) for row in group]
            parts = []
            for first in range(0, reference.lengths[contig], _STRETCH):
                end = min(first + _STRETCH, reference.lengths[contig])
                changes = np.zeros(end - first + 1, np.int32)
                if any(begin < end and last > first for begin, last in reached):
                    for batch in _alignments(catalog, whose, contig, first, end):
                        add_changes(changes, first, batch)
                        counts.inserts += batch_inserts(batch, first, end)
                        task.advance(batch.num_rows)
                depths = depth_of(changes)
                counts.depths += depth_histogram(depths)
                counts.covering += int(depths.sum(dtype=np.int64))
                parts.append(windows_of(depths, first, WINDOW))
            found[contig] = Windows(
                start=np.concatenate([part.start for part in parts]),
                end=np.concatenate([part.end for part in parts]),
                mean=np.concatenate([part.mean for part in parts]),
                shares=tuple(
                    np.concatenate([part.shares[i] for part in parts]) for i in range(len(THRESHOLDS))
                ),
            )
    return found


def _alignments(
    catalog: Catalog, whose: Mapping[str, str], contig: str, first: int, end: int
) -> Iterator[pa.RecordBatch]:
    sql = catalog.statement("qc_alignments")
    return catalog.stream_records(sql, {**whose, "contig": contig, "start": first, "end": end})


def _known_windows(reference: Reference, windows: Mapping[str, Windows]) -> dict[str, np.ndarray]:
    """By contig, which windows have no unknown base."""
    return {
        contig: np.array(
            [
                not (reference.bases(contig, int(start), int(end)) == ord("N")).any()
                for start, end in zip(found.start, found.end, strict=True)
            ],
            bool,
        )
        for contig, found in windows.items()
    }


def _count_called(catalog: Catalog, whose: Mapping[str, str], reference: Reference, counts: _Counts) -> None:
    """Count calls, and the bases of calls and of blocks between them."""
    blocks = catalog.query(catalog.statement("qc_blocks"), {**whose, "gq": CALLABLE_GQ}).to_pylist()
    counts.known += sum(row["known"] for row in blocks)
    counts.sure += sum(row["sure"] for row in blocks)
    if blocks:
        counts.calls = count_calls(called(_no_calls()))
    for contig in sorted({row["contig"] for row in blocks} | _contigs_called(catalog, whose)):
        places: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for batch in catalog.stream(catalog.statement("qc_calls"), {**whose, "contig": contig}):
            rows = pa.Table.from_batches([batch])
            passed = called(rows)
            for name, value in count_calls(passed).items():
                counts.calls[name] = counts.calls.get(name, 0) + value
            counts.indels += indel_lengths(passed)
            counts.balance.add(passed)
            if is_sex_chromosome(contig) and contig.endswith("X"):
                _count_x(contig, reference, passed, counts)
            sure = rows["gq"].fill_null(0).to_numpy() >= CALLABLE_GQ
            sure &= np.array([not names for names in rows["filters"].to_pylist()], bool)
            places.append((rows["start"].to_numpy(), rows["end"].to_numpy(), sure))
        if places:
            starts, ends, sure = (np.concatenate(column) for column in zip(*places, strict=True))
            counts.known += union_length(starts, ends)
            counts.sure += union_length(starts[sure], ends[sure])


def _no_calls() -> pa.Table:
    texts = {name: pa.array([], pa.string()) for name in ("ref", "alt", "type", "gt")}
    return pa.table(
        texts | {"alt_copies": pa.array([], pa.int8()), "filters": pa.array([], pa.list_(pa.string()))}
    )


def _contigs_called(catalog: Catalog, whose: Mapping[str, str]) -> set[str]:
    sql = "SELECT DISTINCT contig FROM genotypes WHERE reference = $reference AND sample_id = $sample"
    return set(catalog.query(sql, whose)["contig"].to_pylist())


def _count_x(contig: str, reference: Reference, rows: pa.Table, counts: _Counts) -> None:
    """Diploid SNVs of X outside the pseudo-autosomal regions, and those of them that are heterozygous."""
    het, hom, weight = zygosity(rows)
    chosen = rows["type"].to_numpy(zero_copy_only=False) == "snv"
    chosen &= outside_par(contig, reference.lengths, rows["start"].to_numpy(), rows["end"].to_numpy())
    counts.x_het += float(weight[chosen & het].sum())
    counts.x_sites += float(weight[chosen & (het | hom)].sum())


def _window_rows(reference: str, sample: str, contig: str, windows: Windows) -> pa.Table:
    n = len(windows.start)
    columns: list[pa.Array] = [pa.repeat(text, n) for text in (reference, sample, contig)]
    columns += [pa.array(each) for each in (windows.start, windows.end, windows.mean, *windows.shares)]
    return pa.table(columns, schema=COVERAGE_WINDOWS.schema)


def _metric_rows(
    reference: str, sample: str, job_id: str, metrics: Mapping[str, float], counts: _Counts
) -> pa.Table:
    rows: list[tuple[str, int | None, float]] = [(name, None, value) for name, value in metrics.items()]
    for name, histogram, first in (
        ("depth", counts.depths, 0),
        ("insert_size", counts.inserts, 0),
        ("indel_length", counts.indels, -LONGEST_INDEL),
        ("balance_het", counts.balance.het, 0),
        ("balance_hom", counts.balance.hom, 0),
    ):
        rows += [(name, first + int(place), float(histogram[place])) for place in np.flatnonzero(histogram)]
    names, bins, values = zip(*rows, strict=True)
    n = len(rows)
    return pa.table(
        {
            "reference": pa.repeat(reference, n),
            "sample_id": pa.repeat(sample, n),
            "metric": pa.array(names, pa.string()),
            "bin": pa.array(bins, pa.int32()),
            "value": pa.array(values, pa.float64()),
            "job_id": pa.repeat(job_id, n),
        }
    )
