"""FASTQ files to Arrow record batches: mates in adjacent rows, one lane's reads to a batch.

The native parser (`fastq.cpp`) does the work per read; here are the files, the columns and the wording of errors.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from baselake.errors import InputError, PairingError, TruncatedInputError
from baselake.ingest._fastq import Buffer, Fault, Parser, Rows, peek
from baselake.ingest.compressed import Digest, ReadAhead, decompressed
from baselake.lake.schema import READ_RECORDS

# A batch is one Parquet row group of short reads, or about this many bytes of long ones.
_BATCH_BYTES = 32 << 20
_PEEK_BYTES = 1 << 16

# What the parser's faults mean: error, message, remedy. The fields are those of `_fastq.Fault`.
_CUT = "Copy the file from its source again"
_FORMAT = "Correct the record, or write the file anew with the tool that made it"
_MATES = (
    "Give the two files of one run of the sequencer, as they were written, neither sorted nor filtered alone"
)
_FAULTS: dict[str, tuple[type[InputError], str, str]] = {
    "truncated_record": (TruncatedInputError, "the file ends inside a record", _CUT),
    "no_at_sign": (InputError, "a record begins with '@', not with {byte}", _FORMAT),
    "blank_line": (InputError, "blank line between records", _FORMAT),
    "no_name": (InputError, "the record has no name", _FORMAT),
    "bad_header": (InputError, "{byte} in the header is not printable ASCII", _FORMAT),
    "no_sequence": (InputError, "the '+' line follows the header, without a sequence line between", _FORMAT),
    "bad_base": (InputError, "{byte} is not an IUPAC base", _FORMAT),
    "no_plus_line": (InputError, "neither more sequence nor the '+' line", _FORMAT),
    "plus_line_differs": (InputError, "the name after '+' is not the one after '@'", _FORMAT),
    "bad_quality": (InputError, "{byte} is not a quality from '!' to '~'", _FORMAT),
    "length_differs": (InputError, "the quality has {found} characters, the sequence {expected}", _FORMAT),
    "record_too_long": (InputError, "the record is longer than 512 MiB", "Check that the file is FASTQ"),
    "names_differ": (PairingError, "the read is {name}, its mate {other_name}", _MATES),
    "mate_number": (PairingError, "the read is marked /{found} where /{expected} belongs", _MATES),
    "mate_missing": (PairingError, "the file ends after {records} records, while its mate has more", _MATES),
    "odd_interleaved": (PairingError, "the last read of the interleaved file has no mate", _CUT),
    "too_many_lanes": (
        InputError,
        "the reads come from more than {expected} lanes",
        "Split the file by lane",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHead:
    """How a file begins.

    Attributes:
        names: names of the first reads, at most two, without /1 or /2.
        mates: for each, 1 or 2 from the suffix or the Illumina comment; 0 where neither tells.
    """

    names: tuple[str, ...]
    mates: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBatch:
    """Reads of one lane, in input order; the segments of a template are adjacent.

    Attributes:
        lane: `instrument:run:flowcell:lane` of Illumina's and Element's names, `FLOWCELLL1` of DNBSEQ's, empty for
            other names.
        columns: name, comment, segment, seq, qual, index1_seq, index1_qual, index2_seq, index2_qual, filtered of
            the table `read_records`.
    """

    lane: str
    columns: pa.RecordBatch


def read_head(path: Path) -> FileHead:
    """The first reads of a file.

    Raises:
        InputError: the file is not FASTQ, or has no reads.
        NotFoundError, StorageError: it cannot be read.
    """
    chunks = decompressed(path, _PEEK_BYTES)
    text = b""
    finished = False
    while True:
        # Doubling: a long read is found without trying at every chunk of it.
        wanted = max(2 * len(text), _PEEK_BYTES)
        try:
            while len(text) < wanted and not finished:
                chunk = next(chunks, None)
                finished = chunk is None
                text += chunk or b""
        except InputError as error:
            head = peek(text, False, 2)
            if len(head.names) < 2:
                raise _at_record(error, path, len(head.names), 4 * len(head.names)) from error
            return FileHead(names=tuple(head.names), mates=tuple(head.mates))
        head = peek(text, finished, 2)
        if head.fault is not None:
            raise _fault_error(head.fault, path)
        if len(head.names) == 2 or finished:
            break
    chunks.close()
    if not head.names:
        raise InputError("no reads in the file", str(path), "Leave the file out")
    return FileHead(names=tuple(head.names), mates=tuple(head.mates))


class FastqReader:
    """Reads files whose records correspond one to one. Iterate once, inside its `with` block.

    Args:
        segments: the file of each segment of a template: one file for single reads, two for mates, the same file
            twice where it is interleaved.
        indexes: at most two files of index reads.
        chunk_bytes: decompressed bytes handed to the parser at a time.
    """

    def __init__(
        self, segments: Sequence[Path], indexes: Sequence[Path] = (), chunk_bytes: int = 1 << 20
    ) -> None:
        self.files = tuple(dict.fromkeys((*segments, *indexes)))
        self._chunk_bytes = chunk_bytes
        self._indexes = len(indexes)
        self._parser = Parser(
            [self.files.index(path) for path in segments],
            [self.files.index(path) for path in indexes],
            READ_RECORDS.row_group_rows,
            _BATCH_BYTES,
        )
        self._open = ExitStack()
        self._streams: list[ReadAhead] = []

    def __enter__(self) -> "FastqReader":
        self._streams = [self._open.enter_context(ReadAhead(path, self._chunk_bytes)) for path in self.files]
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def __iter__(self) -> Iterator[ReadBatch]:
        """Batches of reads, at most a row group's rows or about 32 MiB each.

        Raises:
            TruncatedInputError: a file is empty or ends too early.
            PairingError: mates have other names, or one file has more records.
            InputError: a file is damaged, or a record is not FASTQ; with the file, record and line.
        """
        parser = self._parser
        while (wanted := parser.parse()) is not None:
            yield from self._batches()
            try:
                chunk = self._streams[wanted].read()
            except InputError as error:
                path = self.files[wanted]
                raise _at_record(error, path, parser.records(wanted), parser.lines(wanted)) from error
            if chunk:
                parser.feed(wanted, chunk)
            else:
                parser.finish(wanted)
        if parser.fault is not None:
            raise _fault_error(parser.fault, self.files[parser.fault.stream])
        yield from self._batches()
        for path, records in zip(self.files, self.records, strict=True):
            if not records:
                raise InputError("no reads in the file", str(path), "Leave the file out")

    @property
    def digests(self) -> tuple[Digest, ...]:
        """The digest of each of `files`, once they have been read."""
        return tuple(stream.digest for stream in self._streams)

    @property
    def records(self) -> tuple[int, ...]:
        """Records read of each of `files`."""
        return tuple(self._parser.records(stream) for stream in range(len(self.files)))

    def _batches(self) -> Iterator[ReadBatch]:
        for batch in self._parser.take():
            yield ReadBatch(lane=self._parser.groups[batch.group], columns=_columns(batch.rows))


def _columns(rows: Rows) -> pa.RecordBatch:
    count = rows.count
    comment_valid = pa.py_buffer(rows.has_comment) if rows.without_comment else None
    columns: dict[str, pa.Array] = {
        "name": _strings(count, rows.name_offsets, rows.name),
        "comment": pa.Array.from_buffers(
            pa.string(),
            count,
            [comment_valid, pa.py_buffer(rows.comment_offsets), pa.py_buffer(rows.comment)],
            rows.without_comment,
        ),
        "segment": pa.Array.from_buffers(pa.int8(), count, [None, pa.py_buffer(rows.segment)], 0),
        "seq": _strings(count, rows.bases.offsets, rows.bases.seq),
        "qual": _strings(count, rows.bases.offsets, rows.bases.qual),
        "filtered": pa.Array.from_buffers(pa.bool_(), count, [None, pa.py_buffer(rows.filtered)], 0),
    }
    for number in (1, 2):
        given = rows.indexes[number - 1] if number <= len(rows.indexes) else None
        for column in ("seq", "qual"):
            columns[f"index{number}_{column}"] = (
                pa.nulls(count, pa.string())
                if given is None
                else _strings(count, given.offsets, given.seq if column == "seq" else given.qual)
            )
    return pa.RecordBatch.from_pydict(columns)


def _strings(count: int, offsets: Buffer, text: Buffer) -> pa.Array:
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(text)], 0)


def _fault_error(fault: Fault, path: Path) -> InputError:
    kind, message, remedy = _FAULTS[fault.kind]
    byte = repr(chr(fault.found)) if 0x20 <= fault.found < 0x7F else f"byte 0x{fault.found & 0xFF:02x}"
    what = message.format(
        byte=byte,
        found=fault.found,
        expected=fault.expected,
        name=fault.name,
        other_name=fault.other_name,
        records=fault.record,
    )
    column = f", column {fault.column}" if fault.column else ""
    return kind(what, f"{path}, record {fault.record} (line {fault.line}{column})", remedy)


def _at_record(error: InputError, path: Path, records: int, lines: int) -> InputError:
    """The same error about a file's compression, with the last record that is still whole."""
    if records == 0:
        return error
    return type(error)(error.what, f"{path}, after record {records} (line {lines})", error.remedy)
