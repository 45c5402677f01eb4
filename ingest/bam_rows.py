"""The records of SAM, BAM and CRAM files as rows of `alignments` and `read_records`."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
import pyarrow as pa

from baselake.catalog.job import Job
from baselake.errors import InputError, StorageError, TruncatedInputError
from baselake.ingest._bam import Decoder
from baselake.ingest.bam_plan import Source
from baselake.ingest.sam_stream import BamStream, open_stream
from baselake.lake.parquet import TableWriter
from baselake.lake.schema import ALIGNMENTS, READ_RECORDS
from baselake.lake.spec import TableSpec
from baselake.progress import Progress

# Tags that aligners and what runs after them make: those that SAMtags defines so, and those that bwa, minimap2,
# bowtie2, STAR and samtools document as theirs. RG and PG are said by read_group_id and the header. OQ, BQ, E2 and
# U2 run along SEQ, which an alignment may have reversed. All of them stay in `alignments`.
ALIGNER_TAGS = (
    "AM AS BQ CC CG CM CP E2 H0 H1 H2 HI IH MC MD MQ NH NM OA OC OP OQ PG PQ Q2 R2 RG SA SM TS U2 UQ"
    " X0 X1 XA XG XM XN XO XS XT YF YS YT ZS cg cs cm de do dt dv ms nn rl s1 s2 tp ts"
    " jI jM nM vA vG vW"
)

# A file of alignments spans at most 2^24 bases: about 3 million reads of a genome read 30 times over.
_BIN_SHIFT = 24
_FILE_ROWS = 4 << 20
# Lanes of reads that are written at once; a lane that comes back after more than these starts a new file.
_OPEN_LANES = 32

# Decoded batches that wait for the writing thread: each take is up to some 150 MB where all columns are flushed.
_TAKES_AHEAD = 2

Order = Literal["stream", "sort"]


class OutOfOrder(Exception):
    """The records of a file are not in the order of coordinates: sort them."""

    def __init__(self, path: Path, where: str) -> None:
        super().__init__(where)
        self.path = path


@dataclass(slots=True, kw_only=True)
class Written:
    """What came of a set of files.

    Attributes:
        content_ids: XXH3-128 of the BAM stream of each file, by path.
        records: records of each file, by path.
        ungrouped: files with records of no read group in their header.
        reads, alignments: rows written.
        aligned: samples that have alignments.
        lanes: run and lane (None: unknown) of the reads of every read group.
    """

    content_ids: dict[Path, str] = field(default_factory=dict)
    records: dict[Path, int] = field(default_factory=dict)
    ungrouped: set[Path] = field(default_factory=set)
    reads: int = 0
    alignments: int = 0
    aligned: set[str] = field(default_factory=set)
    lanes: dict[str, set[tuple[str, int | None]]] = field(default_factory=dict)


def write_rows(
    job: Job, sources: Sequence[Source], order: Order, memory_bytes: int, progress: Progress
) -> Written:
    """Write the rows of files that share their @SQ lines.

    Args:
        job: owns the files written.
        sources: the files, in the order that rows of equal position keep.
        order: `stream` takes alignments as they come, which has to be by coordinates; `sort` sorts them.
        memory_bytes: what waiting mates and unsorted records may hold before they spill to the job's scratch.
        progress: counts records.

    Raises:
        OutOfOrder: with `stream`, the records are not in the order of coordinates.
        TruncatedInputError: a file ends early.
        InputError: a file is damaged, or a record lies on a contig that the assembly lacks.
        StorageError: the disk is full or fails.
    """
    groups = {group.id: group for source in sources for group in source.groups if group.id is not None}
    samples = sorted(
        {group.sample_id for group in groups.values()} | {source.rest.sample_id for source in sources},
        key=lambda sample: (sample is None, sample),
    )
    first = sources[0]
    reference = first.match.reference
    lengths = reference.lengths if reference is not None else {}
    decoder = Decoder(
        contigs=[name for name, _ in first.header.contigs],
        placeable=[name in lengths for name, _ in first.header.contigs],
        groups=[
            (name, group.read_group_id, samples.index(group.sample_id)) for name, group in groups.items()
        ],
        aligner_tags=ALIGNER_TAGS.split(),
        order=order,
        bin_shift=_BIN_SHIFT,
        scratch=str(job.scratch),
        memory_bytes=memory_bytes,
        cipher=job.cipher,
    )
    written = Written()
    with _Tables(job, first, samples, written) as tables:
        try:
            for source in sources:
                decoder.begin_file(
                    read_group_id=source.rest.read_group_id,
                    sample=samples.index(source.rest.sample_id),
                    run_id=source.run_id,
                )
                fasta = reference.fasta if reference is not None else None
                with (
                    open_stream(source.path, source.form, fasta) as stream,
                    progress.task(f"ingest {source.path.name}", unit="records") as task,
                ):
                    _feed(decoder, stream, source, tables, task.advance)
                    written.content_ids[source.path] = stream.content_id
                written.records[source.path] = decoder.records
                if decoder.ungrouped:
                    written.ungrouped.add(source.path)
            more = True
            while more:
                more = decoder.finish_part()
                tables.take(decoder)
        except OSError as error:
            if isinstance(error, InputError | StorageError):
                raise
            raise StorageError(
                error.strerror or str(error), str(job.scratch), "Free space, then run the same command again"
            ) from error
    return written


def _feed(
    decoder: Decoder, stream: BamStream, source: Source, tables: "_Tables", advance: Callable[[int], None]
) -> None:
    done = 0
    for chunk in _chunks(stream, decoder, source.path):
        problem = decoder.feed(chunk)
        if problem is not None:
            _raise(problem, source)
        tables.take(decoder)
        advance(decoder.records - done)
        done = decoder.records
    problem = decoder.end_file()
    if problem is not None:
        _raise(problem, source)


def _chunks(stream: BamStream, decoder: Decoder, path: Path) -> Iterator[bytes]:
    """The stream's chunks; what is wrong with the file itself is told with the last record that is whole."""
    try:
        yield from stream
    except InputError as error:
        if error.where != str(path) or not decoder.records:
            raise
        raise type(error)(error.what, f"{path}, after record {decoder.records:,}", error.remedy) from error


def _raise(problem: tuple[str, int, str, str, int], source: Source) -> None:
    kind, record, name, reason, ref_id = problem
    where = f"{source.path}, record {record:,}" + (f" ({name})" if name else "")
    if kind == "unsorted":
        raise OutOfOrder(source.path, where)
    if kind == "truncated":
        raise TruncatedInputError(reason, where, "Copy the file again from where it was made")
    if kind == "contig":
        if source.match.reference is None:
            assert source.match.error is not None
            raise source.match.error
        raise InputError(
            f"it lies on contig {source.header.contigs[ref_id][0]}, which reference {source.match.reference.name}"
            " has not",
            where,
            "Choose the assembly it was aligned to with --reference NAME, or register that one with"
            " baselake reference add",
        )
    raise InputError(
        f"not a sound record: {reason}", where, "Make the file again, or copy it from its source"
    )


class _Tables:
    """The open files of `alignments`, one a sample, and of `read_records`, one a lane.

    A thread of its own encodes and writes, so that decoding goes on meanwhile.
    """

    def __init__(self, job: Job, source: Source, samples: Sequence[str | None], written: Written) -> None:
        self._job = job
        self._source = source
        # A run that is known goes before what read names tell.
        self._run_id = source.run_id if source.run is not None else None
        self._samples = samples
        self._written = written
        self._shelves: dict[str, tuple[int, int]] = {}
        self._alignments: dict[str, _Open] = {}
        self._reads: dict[tuple[str, int | None], _Open] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._writing: deque[Future[None]] = deque()

    def take(self, decoder: Decoder) -> None:
        """Hand the batches that are ready to the writing thread; waits where it is far behind."""
        alignments, reads = decoder.take_alignments(), decoder.take_reads()
        if not alignments and not reads:
            return
        if len(self._writing) == _TAKES_AHEAD:
            self._writing.popleft().result()
        self._writing.append(self._thread.submit(self._write, alignments, reads))

    def _write(
        self,
        alignments: Sequence[tuple[int, int, int, "_Columns"]],
        reads: Sequence[tuple[str, str, int | None, "_Columns"]],
    ) -> None:
        for number, ref_id, bin_number, columns in alignments:
            # Of undetermined reads only the reads are kept: an alignment belongs to a sample.
            if (sample := self._samples[number]) is not None:
                self._write_alignments(sample, ref_id, bin_number, columns)
        for read_group_id, run_id, lane, columns in reads:
            self._write_reads(read_group_id, self._run_id or run_id, lane, columns)

    def _write_alignments(self, sample: str, ref_id: int, bin_number: int, columns: "_Columns") -> None:
        contig = self._source.header.contigs[ref_id][0] if ref_id >= 0 else None
        if contig is not None:
            self._written.aligned.add(sample)
        # Records without a contig come last: where none came before, the sample's reads are not aligned at all.
        if self._source.match.reference is None or sample not in self._written.aligned:
            return
        constants = {"reference": self._source.match.reference.name, "sample_id": sample, "contig": contig}
        file = self._alignments.get(sample)
        if file is None or self._shelves[sample] != (ref_id, bin_number) or file.rows >= _FILE_ROWS:
            if file is not None:
                file.writer.close()
            file = self._alignments[sample] = _Open(self._job.writer(ALIGNMENTS.name, constants))
            self._shelves[sample] = (ref_id, bin_number)
        self._written.alignments += file.write(to_batch(ALIGNMENTS, columns, constants))

    def _write_reads(self, read_group_id: str, run_id: str, lane: int | None, columns: "_Columns") -> None:
        partition = {"run_id": run_id, "lane": lane}
        file = self._reads.pop((run_id, lane), None)
        if file is not None and file.rows >= _FILE_ROWS:
            file.writer.close()
            file = None
        if file is None:
            file = _Open(self._job.writer(READ_RECORDS.name, partition))
        self._reads[run_id, lane] = file  # the last of the dictionary is the last used
        while len(self._reads) > _OPEN_LANES:
            self._reads.pop(next(iter(self._reads))).writer.close()
        rows = to_batch(READ_RECORDS, columns, {**partition, "read_group_id": read_group_id})
        self._written.reads += file.write(rows)
        self._written.lanes.setdefault(read_group_id, set()).add((run_id, lane))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                while self._writing:
                    self._writing.popleft().result()
                for file in self._open_files():
                    file.writer.close()
        finally:
            self._thread.shutdown(cancel_futures=True)
            for file in self._open_files():
                file.writer.abandon()

    def _open_files(self) -> Iterator["_Open"]:
        """Every file that is still open, each taken off its list as it is given out."""
        for files in (self._alignments, self._reads):
            while files:
                yield files.popitem()[1]


# A column's rows, NULLs, validity bitmap, offsets and values; as `Decoder` gives them, by name.
_Columns = Mapping[str, tuple[int, int, np.ndarray | None, np.ndarray | None, np.ndarray]]


class _Open:
    """A file being written, and the rows it has."""

    def __init__(self, writer: TableWriter) -> None:
        self.writer = writer
        self.rows = 0

    def write(self, batch: pa.RecordBatch) -> int:
        self.writer.write(batch)
        self.rows += batch.num_rows
        return batch.num_rows


def to_batch(spec: TableSpec, columns: _Columns, constants: Mapping[str, str | int | None]) -> pa.RecordBatch:
    """A batch of `spec`: native columns without a copy, constants repeated, all others NULL."""
    rows = next(iter(columns.values()))[0]
    arrays = []
    for column in spec.schema:
        if column.name in columns:
            _, nulls, validity, offsets, values = columns[column.name]
            buffers = [validity, values] if offsets is None else [validity, offsets, values]
            arrow = [None if buffer is None else pa.py_buffer(buffer) for buffer in buffers]
            arrays.append(pa.Array.from_buffers(column.type, rows, arrow, nulls))
        elif constants.get(column.name) is None:
            arrays.append(pa.nulls(rows, column.type))
        else:
            value = pa.array([constants[column.name]], column.type)
            arrays.append(pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), value))
    return pa.RecordBatch.from_arrays(arrays, names=spec.schema.names)
