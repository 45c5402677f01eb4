"""Columns of one block of rows to bytes and back: names, mates, bases, qualities, tags.

Every function pair is exact: what is decoded is what was encoded, NULL told from empty. A block is some thousand
rows; the streams it is made of are described where they are made, in the C++ beside this file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

import baselake.lake.columns._entropy as _entropy
import baselake.lake.columns._names as _names
import baselake.lake.columns._sequences as _sequences
import baselake.lake.columns._tags as _tags
from baselake.lake.arrays import valid_rows
from baselake.lake.columns.streams import PlacedStream, join, last_of, split

_Buffers = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where the rows of a block of alignments lie.

    Attributes:
        starts, ends: int64; -1 for NULL.
        cigars: `string`.
    """

    starts: np.ndarray
    ends: np.ndarray
    cigars: pa.Array


@dataclass(frozen=True, slots=True, kw_only=True)
class ContigBases:
    """The sequence that alignments are compared with.

    Attributes:
        digest: of the assembly, as its FASTA in the lake is named; empty where alignments are kept whole.
        contig: its name.
        bases: uint8, upper-case ASCII.
    """

    digest: str
    contig: str
    bases: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class TextParts:
    """A block of texts as it is stored.

    Attributes:
        lengths: int64, characters of each row; 0 for NULL.
        packed: the characters of all rows as one byte stream, or where that is.
    """

    lengths: np.ndarray
    packed: bytes | PlacedStream


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceParts:
    """What the bases of a block's rows are made of: the contig and what differs from it.

    Attributes:
        lengths: int32, bases of each row.
        whole: uint8, 1 where all bases of the row are in `kept`, 0 where those of I and S are.
        kept: uint8, bases.
        kept_at: int64, the first of each row in it.
        change_at: int64 [rows + 1], the first of each row in `places` and `codes`.
        places: int32, where in its read a base differs from the contig's.
        codes: uint16: 0 to 2 the next of A, C, G, T in a circle, 3 an N, 4 the base in the higher byte.
    """

    lengths: np.ndarray
    whole: np.ndarray
    kept: np.ndarray
    kept_at: np.ndarray
    change_at: np.ndarray
    places: np.ndarray
    codes: np.ndarray


SAMPLE_BASES = 1 << 16  # that tell whether bases repeat
NO_CONTIG = ContigBases(digest="", contig="", bases=np.zeros(0, np.uint8))


def encode_names(names: pa.Array) -> bytes:
    """Names of any kind; those of sequencers, a template's given once, are small."""
    return join(len(names), [(True, _validity(names)), *_names.encode(*_buffers(names))])


def encode_numbered_names(prefix: str, columns: Sequence[np.ndarray], copies: int) -> bytes:
    """Names that are a prefix, then a colon and a number for each column, without making their text.

    Args:
        prefix: ASCII, no control characters.
        columns: int32 [names] each, none negative.
        copies: how many rows that stand together have each name.

    Raises:
        ValueError: it cannot be done: `encode_names` takes any names.
    """
    shapes, verbatim, *others = _names.encode_numbered(prefix, columns)
    rows = len(columns[0]) * copies
    return join(rows, [(True, b""), shapes, verbatim, (False, _copied(rows, copies)), *others])


@lru_cache(maxsize=8)
def _copied(rows: int, copies: int) -> bytes:
    """For each row how many rows before it the same name stood: the stream of a block."""
    return _entropy.pack_numbers(np.minimum(np.arange(rows) % copies, 1))


def decode_names(block: bytes) -> pa.Array:
    """The `string` column of `encode_names`."""
    _, streams = split(block)
    return _column(_names.decode(streams[1:]), streams[0], pa.string())


def name_partners(block: bytes) -> np.ndarray:
    """For each row another of the same name: the one before, or for the first the next; -1: there is none. int64."""
    _, streams = split(block)
    distances = _names.distances(streams[1:])
    partners = np.full(len(distances), -1, np.int64)
    rows = np.flatnonzero(distances)
    before = rows - distances[rows]
    partners[rows] = before
    first = distances[before] == 0
    partners[before[first]] = rows[first]
    return partners


def encode_texts(texts: pa.Array) -> bytes:
    """Texts such as qualities, of which each character is best told from the few before it."""
    offsets, data = _buffers(texts)
    streams = (
        _entropy.pack_numbers(np.diff(offsets).astype(np.int64)),
        _entropy.pack_bytes(_span(offsets, data)),
    )
    return join(len(texts), [(True, _validity(texts)), *((False, stream) for stream in streams)])


def coded_texts(rows: int, lengths: bytes, packed: bytes) -> bytes:
    """The block of texts, none NULL, whose lengths and characters are coded already (`pack_lengths`, `pack_bytes`)."""
    return join(rows, [(False, b""), (False, lengths), (False, packed)])


def coded_bases(rows: int, lengths: bytes, packed: bytes) -> bytes:
    """Likewise of bases, at two bits."""
    return join(rows, [(False, b""), (False, b""), (False, lengths), (False, packed), (False, b"")])


def pack_lengths(lengths: np.ndarray) -> bytes:
    """The stream of the lengths, int64 [rows], of a block's texts or bases."""
    return _entropy.pack_numbers(lengths)


def decode_texts(block: bytes) -> pa.Array:
    """The `string` column of `encode_texts`."""
    _, (validity, lengths, data) = split(block)
    return _of_lengths(_entropy.unpack_numbers(lengths), _entropy.unpack_bytes(data), validity)


def encode_bases(bases: pa.Array) -> bytes:
    """Bases with nothing to compare them with."""
    offsets, data = _buffers(bases)
    lengths = _entropy.pack_numbers(np.diff(offsets).astype(np.int64))
    return join(
        len(bases), [(False, b""), (True, _validity(bases)), (False, lengths), *_kept(_span(offsets, data))]
    )


def encode_sequences(bases: pa.Array, placement: Placement, contig: ContigBases) -> bytes:
    """Bases of alignments to one contig."""
    identity = f"{contig.digest} {contig.contig}".encode()
    whole, inserted, *others = _sequences.encode(*_against(bases, placement, contig))
    return join(
        len(bases),
        [(False, identity), (True, _validity(bases)), *_kept(whole[1]), *_kept(inserted[1]), *others],
    )


def compared_with(block: bytes) -> tuple[str, str] | None:
    """Digest of the assembly and contig of a block of `encode_sequences`; None for one of `encode_bases`."""
    _, streams = split(block)
    digest, _, contig = streams[0].decode().partition(" ")
    return (digest, contig) if streams[0] else None


def rows_of(block: bytes) -> int:
    """Rows of a block of any column."""
    return split(block)[0]


def decode_sequences(block: bytes, placement: Placement | None, contig: ContigBases) -> pa.Array:
    """The `string` column of `encode_bases` or `encode_sequences`, whose placement and contig are given again."""
    _, streams = split(block)
    if not streams[0]:
        _, validity, lengths, *kept = streams
        return _of_lengths(_entropy.unpack_numbers(lengths), _unkept(kept), validity)
    assert placement is not None
    _, validity, *rest = streams
    whole, inserted, others = rest[:2], rest[2:4], rest[4:]
    cigars = _buffers(placement.cigars)
    built = _sequences.decode(
        [_unkept(whole), _unkept(inserted), *others], *cigars, placement.starts, contig.bases
    )
    return _column(built, validity, pa.string())


def text_parts(block: bytes) -> TextParts:
    """A block of `encode_texts`, its characters still packed."""
    _, (_, lengths, data) = split(block)
    return TextParts(lengths=_lengths(lengths), packed=data)


def placed_text_parts(beginning: bytes, path: str, at: int) -> TextParts | None:
    """A block of `encode_texts` of which only the beginning was read; None where that does not do.

    Args:
        beginning: of the block.
        path: of the file that it is in.
        at: where in it.
    """
    try:
        (_, lengths), place, size = last_of(beginning)
        head = beginning[place : place + size]
        if _entropy.coded_parts(head) is None:
            return None
    except ValueError:  # it is longer, or damaged: who reads it whole will tell
        return None
    stream = PlacedStream(head=head, path=path, at=at + place, size=size)
    return TextParts(lengths=_lengths(lengths), packed=stream)


def sequence_parts(block: bytes, cigars: pa.Array | None) -> SequenceParts:
    """A block of `encode_bases` or `encode_sequences`, not put together; the latter needs the CIGARs of its rows."""
    rows, streams = split(block)
    if not streams:
        raise ValueError("a block has too few streams")
    if streams[0]:
        whole, inserted, others = streams[2:4], streams[4:6], streams[6:]
        assert cigars is not None
        made = _sequences.parts([_unkept(whole), _unkept(inserted), *others], *_buffers(cigars))
        return SequenceParts(**dict(zip(SequenceParts.__slots__, made, strict=True)))
    lengths = _lengths(streams[2])
    ends = np.cumsum(lengths)
    kept = np.frombuffer(_unkept(streams[3:]), np.uint8)
    if rows and ends[-1] != len(kept):
        raise ValueError("a block has other bytes than its lengths say")
    return SequenceParts(
        lengths=lengths.astype(np.int32),
        whole=np.ones(rows, np.uint8),
        kept=kept,
        kept_at=ends - lengths,
        change_at=np.zeros(rows + 1, np.int64),
        places=np.zeros(0, np.int32),
        codes=np.zeros(0, np.uint16),
    )


def _lengths(stream: bytes) -> np.ndarray:
    lengths = _entropy.unpack_numbers(stream)
    if len(lengths) and lengths.min() < 0:
        raise ValueError("a length is negative")
    return lengths


def encode_tags(tags: pa.Array, bases: pa.Array, placement: Placement | None, contig: ContigBases) -> bytes:
    """Raw BAM auxiliary fields; MD and NM that follow from bases and reference are left out."""
    derived = _differences(bases, placement, contig) if placement is not None else _nothing(len(tags))
    return join(len(tags), [(True, _validity(tags)), *_tags.encode(*_buffers(tags), *derived)])


def tags_need_bases(block: bytes) -> bool:
    """Whether some of the tags are left out because bases tell them."""
    _, streams = split(block)
    return _tags.needs_bases(streams[1])


def decode_tags(
    block: bytes, bases: pa.Array | None, placement: Placement | None, contig: ContigBases
) -> pa.Array:
    """The `binary` column of `encode_tags`; bases are needed where `tags_need_bases` says so."""
    rows, streams = split(block)
    derived = _nothing(rows) if bases is None or placement is None else _differences(bases, placement, contig)
    return _column(_tags.decode(streams[1:], *derived), streams[0], pa.binary())


_NEXT_DERIVED, _NEXT_NULL, _LENGTH_DERIVED, _LENGTH_ZERO = 1, 2, 4, 8


def encode_mates(
    next_starts: np.ndarray, lengths: np.ndarray, partners: np.ndarray, placement: Placement
) -> bytes:
    """PNEXT and TLEN, left out where the row of the same name in the block tells them.

    Args:
        next_starts: int64; -1 for NULL.
        lengths: int64, TLEN.
        partners: of `name_partners`.
        placement: of the rows.
    """
    expected_start, expected_length = _of_partner(partners, placement)
    next_derived = (partners >= 0) & (next_starts == expected_start) & (next_starts >= 0)
    next_null = next_starts < 0
    zero = lengths == 0
    derived = ~zero & (partners >= 0) & (lengths == expected_length)
    flags = (
        _NEXT_DERIVED * next_derived
        + _NEXT_NULL * next_null
        + _LENGTH_DERIVED * derived
        + _LENGTH_ZERO * zero
    )
    own_next = ~(next_derived | next_null)
    own_length = ~(derived | zero)
    guess = _guessed_length(next_starts, placement)
    streams = (
        _entropy.pack_bytes(flags.astype(np.uint8).tobytes()),
        _entropy.pack_numbers((next_starts - placement.starts)[own_next]),
        _entropy.pack_numbers((lengths - guess)[own_length]),
    )
    return join(len(lengths), [(False, stream) for stream in streams])


def decode_mates(block: bytes, partners: np.ndarray, placement: Placement) -> tuple[pa.Array, pa.Array]:
    """PNEXT and TLEN, `int32`, of `encode_mates`."""
    _, streams = split(block)
    flags = np.frombuffer(_entropy.unpack_bytes(streams[0]), np.uint8)
    expected_start, expected_length = _of_partner(partners, placement)
    next_null = (flags & _NEXT_NULL) != 0
    next_starts = np.where((flags & _NEXT_DERIVED) != 0, expected_start, -1)
    own = (flags & (_NEXT_DERIVED | _NEXT_NULL)) == 0
    next_starts[own] = _entropy.unpack_numbers(streams[1]) + placement.starts[own]
    lengths = np.where((flags & _LENGTH_DERIVED) != 0, expected_length, 0)
    own = (flags & (_LENGTH_DERIVED | _LENGTH_ZERO)) == 0
    lengths[own] = _entropy.unpack_numbers(streams[2]) + _guessed_length(next_starts, placement)[own]
    return pa.array(next_starts.astype(np.int32), mask=next_null), pa.array(lengths.astype(np.int32))


def _of_partner(partners: np.ndarray, placement: Placement) -> tuple[np.ndarray, np.ndarray]:
    """Start of the other row, and TLEN from the leftmost to the rightmost base of both: positive for the left one."""
    starts, ends = placement.starts, placement.ends
    other_start, other_end = starts[partners], ends[partners]
    span = np.maximum(ends, other_end) - np.minimum(starts, other_start)
    left = (starts < other_start) | ((starts == other_start) & (np.arange(len(starts)) < partners))
    return other_start, np.where(left, span, -span)


def _guessed_length(next_starts: np.ndarray, placement: Placement) -> np.ndarray:
    """TLEN if the mate were as long on the reference as the row itself."""
    starts, ends = placement.starts, placement.ends
    ahead = next_starts >= starts
    return np.where(ahead, next_starts + (ends - starts) - starts, next_starts - ends) * (next_starts >= 0)


def repeats(sample: bytes) -> bool:
    """Whether two bits a base may be more than it takes: amplicons and high depths repeat."""
    return len(sample) > 4096 and len(pa.compress(sample, "zstd", asbytes=True)) < len(sample) // 4


def _kept(bases: bytes) -> list[tuple[bool, bytes]]:
    """Two streams for bases: at two bits, or where they repeat as text, the other one empty."""
    # Zstd tells by the first of them, and then has to be better with all.
    packed = b""
    if repeats(bases[:SAMPLE_BASES]):
        packed = _entropy.pack_bases(bases)
        if len(pa.compress(bases, "zstd", asbytes=True)) < len(packed):
            return [(False, b""), (True, bases)]
    return [(False, packed or _entropy.pack_bases(bases)), (False, b"")]


def _unkept(streams: list[bytes]) -> bytes:
    packed, plain = streams
    return _entropy.unpack_bases(packed) if packed else plain


def _against(
    bases: pa.Array, placement: Placement, contig: ContigBases
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return (*_buffers(bases), *_buffers(placement.cigars), placement.starts, contig.bases)


def _differences(
    bases: pa.Array, placement: Placement, contig: ContigBases
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    (offsets, data, _), distances = _sequences.differences(*_against(bases, placement, contig))
    return offsets, data, distances


def _nothing(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.zeros(rows + 1, np.int32), np.zeros(0, np.uint8), np.full(rows, -1, np.int64)


def _buffers(column: pa.Array) -> _Buffers:
    """Offsets and bytes of a `string` or `binary` column; a NULL row is an empty one."""
    _, offsets, data = column.buffers()
    if offsets is None or offsets.size == 0:
        return np.zeros(1, np.int32), np.zeros(0, np.uint8)
    view = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    if column.null_count and (np.diff(view)[~valid_rows(column)] != 0).any():
        # Arrow lets a NULL row have bytes, which nobody is to see.
        return _buffers(column.fill_null(b"" if pa.types.is_binary(column.type) else ""))
    return view, np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)


def _span(offsets: np.ndarray, data: np.ndarray) -> bytes:
    return data[offsets[0] : offsets[-1]].tobytes()


def _validity(column: pa.Array) -> bytes:
    """One bit a row; nothing where no row is NULL."""
    if not column.null_count:
        return b""
    return np.packbits(valid_rows(column), bitorder="little").tobytes()


def _column(built: tuple[np.ndarray, np.ndarray, np.ndarray], validity: bytes, kind: pa.DataType) -> pa.Array:
    offsets, data, _ = built
    valid = pa.py_buffer(validity) if validity else None
    return pa.Array.from_buffers(kind, len(offsets) - 1, [valid, pa.py_buffer(offsets), pa.py_buffer(data)])


def _of_lengths(lengths: np.ndarray, data: bytes, validity: bytes) -> pa.Array:
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    if offsets[-1] != len(data):
        raise ValueError("a block has other bytes than its lengths say")
    valid = pa.py_buffer(validity) if validity else None
    return pa.Array.from_buffers(
        pa.string(), len(lengths), [valid, pa.py_buffer(offsets), pa.py_buffer(data)]
    )
