"""Rows of stored files, their coded columns decoded: any rows, wherever they lie, each block as often as it must be."""

import os
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import RawIOBase
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from baselake.errors import LakeError, StorageError
from baselake.lake.arrays import integers, one_string, rows_at
from baselake.lake.columns import codecs
from baselake.lake.columns.blocks import numbers_of, plain
from baselake.lake.columns.codecs import NO_CONTIG, ContigBases, Placement, SequenceParts, TextParts
from baselake.lake.columns.pages import Read, value_places
from baselake.lake.fasta import References
from baselake.lake.location import key_of, open_location, reading, stored_location
from baselake.lake.schema import BLOCK_ROW, CODED

# Of decoded columns and of values read, in memory: some dozen blocks.
_CACHE_BYTES = 96 << 20
_OPEN_FILES = 32
# Of a block whose stream is left in the file: lengths (6 KB for 8192 trimmed reads), and its coder's tables (2 KB).
_BEGINNING = 16 << 10
_FEW_RUNS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedBlock:
    """Bases and qualities of a block's rows, not decoded.

    Attributes:
        sequences: the parts of its bases.
        contig: what they are put together with; `NO_CONTIG`: nothing.
        qualities: lengths and characters.
    """

    sequences: SequenceParts
    contig: ContigBases
    qualities: TextParts


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedRows:
    """Where bases and qualities of rows stand in blocks.

    Attributes:
        blocks: each once.
        block: int64, which of them a row is in.
        row: int64, its place there.
    """

    blocks: tuple[CodedBlock, ...]
    block: np.ndarray
    row: np.ndarray


class BlockReader:
    """Decodes rows of stored files, each block once as long as it is remembered; safe to use from several threads.

    Args:
        references: the assemblies that alignments are stored against.
    """

    def __init__(self, references: References) -> None:
        self._references = references
        self._files: OrderedDict[str, _File] = OrderedDict()
        self._kept = _Cache(_CACHE_BYTES)
        self._lock = threading.Lock()

    def rows(self, column: str, files: pa.Array, rows: np.ndarray, block_rows: np.ndarray) -> pa.Array:
        """A coded column of rows anywhere in the lake.

        Args:
            column: a key of `CODED`.
            files: path of each row's file.
            rows: int64, places in the files.
            block_rows: int64, `block_row` of each.

        Raises:
            LakeError: a block is damaged.
            StorageError: its file is not there, or cannot be read.
            NotFoundError: the reference it was stored against is not there.
        """
        names, numbers = _numbered(files)
        heads = rows - block_rows
        order = None
        cuts = _changes(numbers, heads)
        if len(cuts) > _FEW_RUNS:
            # Rows of several files in turn, as a sort leaves them: block by block, then back into their order.
            order = np.lexsort((block_rows, heads, numbers))
            numbers, heads, block_rows = numbers[order], heads[order], block_rows[order]
            cuts = _changes(numbers, heads)
        parts = []
        for first, last in pairwise([0, *cuts.tolist(), len(rows)]):
            decoded = self._decoded(names[int(numbers[first])], int(heads[first]), column)
            parts.append(rows_at(decoded, block_rows[first:last]))
        whole = parts[0] if len(parts) == 1 else pa.concat_arrays(parts)
        if order is None:
            return whole
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return whole.take(pa.array(back))

    def coded(
        self, files: pa.Array, rows: np.ndarray, block_rows: np.ndarray, *, placed: bool = False
    ) -> CodedRows:
        """Bases and qualities of alignments anywhere in the lake, for who decodes them elsewhere.

        Other arguments and errors are those of `rows`.

        Args:
            placed: leave qualities in their file and tell where they are, where that is a plain file of this machine.
        """
        names, numbers = _numbered(files)
        places = np.stack((numbers.astype(np.int64), rows - block_rows))
        heads, block = np.unique(places, axis=1, return_inverse=True)
        block = block.reshape(-1)
        blocks = tuple(self._coded(names[number], head, placed) for number, head in heads.T.tolist())
        sizes = np.array([len(one.sequences.lengths) for one in blocks], np.int64)
        if len(outside := np.flatnonzero((block_rows < 0) | (block_rows >= sizes[block]))):
            number, head = heads.T[block[outside[0]]].tolist()
            with _damage_told(names[number], head, "seq"):
                raise ValueError("it has fewer rows than its file says")
        return CodedRows(blocks=blocks, block=block, row=block_rows)

    def _coded(self, path: str, head: int, placed: bool) -> CodedBlock:
        with _damage_told(path, head, "seq"):
            block = self._value(path, head, CODED["seq"])
            placement, contig = self._compared(path, head, block)
            sequences = codecs.sequence_parts(block, placement and placement.cigars)
        with _damage_told(path, head, "qual"):
            qualities = self._placed(path, head) if placed else None
            if qualities is None:
                qualities = codecs.text_parts(self._value(path, head, CODED["qual"]))
            if len(qualities.lengths) != len(sequences.lengths):
                raise ValueError("it has other rows than seq")
        return CodedBlock(sequences=sequences, contig=contig, qualities=qualities)

    def _placed(self, path: str, head: int) -> TextParts | None:
        location = stored_location(path)
        if _elsewhere(location):
            return None
        with self._reading(path) as file, open(location, "rb", buffering=0) as plain:
            group, offset = file.place(head)
            key = path, group, "places"
            places = self._kept.get(key)
            if places is None:
                places = file.value_places(group, CODED["qual"], partial(_read_at, plain))
                self._kept.put(key, places, 100 * len(places))
            if offset not in places:
                return None
            at, size = places[offset]
            return codecs.placed_text_parts(_read_at(plain, at, min(size, _BEGINNING)), location, at)

    def _decoded(self, path: str, head: int, column: str) -> pa.Array:
        key = path, head, column
        found = self._kept.get(key)
        if found is None:
            with _damage_told(path, head, column):
                found = self._decode(path, head, column)
            self._kept.put(key, found, found.nbytes)
        return found

    def _decode(self, path: str, head: int, column: str) -> pa.Array:
        block = self._value(path, head, CODED[column])
        if column == "name":
            return codecs.decode_names(block)
        if column == "qual":
            return codecs.decode_texts(block)
        if column == "seq":
            placement, contig = self._compared(path, head, block)
            return codecs.decode_sequences(block, placement, contig)
        if column == "tags":
            if not codecs.tags_need_bases(block):
                return codecs.decode_tags(block, None, None, NO_CONTIG)
            placement, contig = self._compared(path, head, self._value(path, head, CODED["seq"]))
            return codecs.decode_tags(block, self._decoded(path, head, "seq"), placement, contig)
        partners = codecs.name_partners(self._value(path, head, CODED["name"]))
        mates = codecs.decode_mates(block, partners, self._placement(path, head, len(partners)))
        for name, decoded in zip(("next_start", "tlen"), mates, strict=True):
            self._kept.put((path, head, name), decoded, decoded.nbytes)
        return mates[0] if column == "next_start" else mates[1]

    def _compared(self, path: str, head: int, block: bytes) -> tuple[Placement | None, ContigBases]:
        identity = codecs.compared_with(block)
        if identity is None:
            return None, NO_CONTIG
        digest, contig = identity
        bases = self._references.bases(digest, contig)
        placement = self._placement(path, head, codecs.rows_of(block))
        return placement, ContigBases(digest=digest, contig=contig, bases=bases)

    def _placement(self, path: str, head: int, rows: int) -> Placement:
        key = path, head, "placement"
        found = self._kept.get(key)
        if found is None:
            with self._reading(path) as file:
                table = file.rows(("start", "end", "cigar"), head, rows)
            found = Placement(
                starts=numbers_of(table["start"]), ends=numbers_of(table["end"]), cigars=plain(table["cigar"])
            )
            self._kept.put(key, found, 16 * rows + found.cigars.nbytes)
        return found

    def _value(self, path: str, head: int, column: str) -> bytes:
        with self._reading(path) as file:
            group, offset = file.place(head)
            key = path, group, column
            values = self._kept.get(key)
            if values is None:
                values = file.group(group, (column,))[column]
                self._kept.put(key, values, values.nbytes)
        value = values[offset].as_py()
        if value is None:
            raise ValueError(f"there is no {column}")
        return bytes(value)

    @contextmanager
    def _reading(self, path: str) -> "Iterator[_File]":
        try:
            with reading(path):
                yield self._file(path)
        except StorageError:
            with self._lock:
                self._files.pop(path, None)  # what it has open may be of a store that is there again
            raise

    def _file(self, path: str) -> "_File":
        with self._lock:
            if path not in self._files:
                self._files[path] = _File(_open_file(path))
                while len(self._files) > _OPEN_FILES:
                    self._files.popitem(last=False)
            self._files.move_to_end(path)
            return self._files[path]


@contextmanager
def _damage_told(path: str, head: int, column: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # an Arrow error of a damaged file is one, too
        raise LakeError(
            f"column {column} of the block at row {head} cannot be decoded: {error}",
            path,
            "Restore the file from a copy",
        ) from error


def _elsewhere(location: str) -> bool:
    """Whether its bytes do not lie plain on this machine."""
    return "://" in location or key_of(location) is not None


def _read_at(file: RawIOBase, at: int, size: int) -> bytes:
    return os.pread(file.fileno(), size, at)


def _open_file(path: str) -> pq.ParquetFile:
    location = stored_location(path)
    if _elsewhere(location):
        return pq.ParquetFile(open_location(location))
    return pq.ParquetFile(location, memory_map=True)


def _numbered(files: pa.Array) -> tuple[list[str], np.ndarray]:
    """Every path there is, and which of them each row has."""
    path = one_string(files)
    if path is not None:
        return [path], np.zeros(len(files), np.int32)
    encoded = files.dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy()


def _changes(numbers: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """Where another block begins."""
    return np.flatnonzero((np.diff(heads) != 0) | (np.diff(numbers) != 0)) + 1


class _File:
    """A stored file, read by rows; one thread at a time."""

    def __init__(self, file: pq.ParquetFile) -> None:
        self._file = file
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        self._firsts = np.concatenate([[0], np.cumsum(sizes)])
        self._lock = threading.Lock()

    def place(self, row: int) -> tuple[int, int]:
        """Row group of a row, and its place there."""
        group = int(np.searchsorted(self._firsts, row, side="right")) - 1
        return group, row - int(self._firsts[group])

    def group(self, group: int, columns: tuple[str, ...]) -> pa.Table:
        with self._lock:
            return self._file.read_row_group(group, list(columns), use_threads=False)

    def value_places(self, group: int, column: str, read: Read) -> dict[int, tuple[int, int]]:
        """Place and length in the file of each block of a column, by its first row's place in the row group.

        Raises:
            ValueError: the column is not stored as blocks are.
        """
        block_row = integers(self.group(group, (BLOCK_ROW,))[BLOCK_ROW].combine_chunks())
        with self._lock:
            names = self._file.schema_arrow.names
            chunk = self._file.metadata.row_group(group).column(names.index(column))
        places = value_places(read, chunk.data_page_offset, chunk.total_compressed_size)
        return dict(zip(np.flatnonzero(block_row == 0).tolist(), places, strict=True))

    def rows(self, columns: tuple[str, ...], first: int, count: int) -> pa.Table:
        """Rows that follow one another, of as many row groups as they lie in."""
        group, offset = self.place(first)
        last, _ = self.place(first + count - 1)
        table = pa.concat_tables([self.group(i, columns) for i in range(group, last + 1)])
        return table.slice(offset, count)


class _Cache:
    """Keeps what was used last, up to so many bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0
        self._items: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable):  # type: ignore[no-untyped-def]  # what was put under the key
        with self._lock:
            if key not in self._items:
                return None
            self._items.move_to_end(key)
            return self._items[key][0]

    def put(self, key: Hashable, item: object, size: int) -> None:
        with self._lock:
            if key in self._items:
                self._bytes -= self._items.pop(key)[1]
            self._items[key] = item, size
            self._bytes += size
            while self._bytes > self._most and len(self._items) > 1:
                self._bytes -= self._items.popitem(last=False)[1][1]
