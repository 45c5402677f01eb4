"""Coded columns: what is decoded is what was encoded, whatever it is, and the slow twin decodes the same."""

import re
from contextlib import suppress
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselake.lake.columns import _entropy, codecs
from baselake.lake.columns.codecs import NO_CONTIG, ContigBases, Placement
from baselake.lake.columns.reference import unpack_bytes
from baselake.lake.columns.streams import PlacedStream, join, split

REFERENCE = np.frombuffer(b"ACGTTGCAACGTNNRYACGGATTACAGATTACA" * 8, np.uint8)
CONTIG = ContigBases(digest="d", contig="c1", bases=REFERENCE)
# Few and many symbols, with and without a pattern, short and longer than the coder's stretches.
BYTES = st.one_of(
    st.binary(max_size=300),
    st.text("ab", max_size=2000).map(str.encode),
    st.text("!#5?JI", max_size=3000).map(str.encode),
    st.builds(lambda part, times: part * times, st.binary(min_size=1, max_size=40), st.integers(1, 200)),
)
# As qualities in few bins are: symbols are coded two at a time.
FEW_SYMBOLS = st.builds(
    lambda symbols, shares, size, seed: (
        np.random.default_rng(seed)
        .choice(
            np.array(symbols, np.uint8),
            size,
            p=np.array(shares[: len(symbols)]) / sum(shares[: len(symbols)]),
        )
        .tobytes()
    ),
    st.lists(st.integers(0, 255), min_size=3, max_size=4, unique=True),
    st.lists(st.integers(1, 10_000), min_size=4, max_size=4),
    st.integers(4_096, 5_000),
    st.integers(0, 99),
)


@given(BYTES)
def test_bytes_come_back_and_the_slow_twin_agrees(data: bytes) -> None:
    packed = _entropy.pack_bytes(data)
    assert _entropy.unpack_bytes(packed) == data
    assert unpack_bytes(packed) == data


@given(FEW_SYMBOLS)
@settings(max_examples=25)
def test_few_symbols_come_back_from_pairs_and_the_slow_twin_agrees(data: bytes) -> None:
    packed = _entropy.pack_bytes(data)
    assert _entropy.unpack_bytes(packed) == data
    assert unpack_bytes(packed) == data


def test_few_symbols_of_a_release_before_pairs_are_read() -> None:
    data = bytes(b"#:F"[2 if i % 97 else i // 97 % 3] for i in range(4200))
    packed = bytes.fromhex(
        "02e82002233a46000c090007010f0fe21f000003f03c005a133c009cb73b000bbf973861b63b00f71634395f063c00e0c23b0092"
        "3071bc9bcca50eddb48523d3dcb2679cc86d4f42be62aad270ca0f"
    )
    assert _entropy.unpack_bytes(packed) == unpack_bytes(packed) == data


@given(BYTES | FEW_SYMBOLS, st.data())
def test_damaged_bytes_are_refused_or_decoded_but_never_read_past(data: bytes, draw: st.DataObject) -> None:
    packed = bytearray(_entropy.pack_bytes(data))
    if len(packed) > 2:
        packed = packed[: draw.draw(st.integers(2, len(packed)))]
        packed[draw.draw(st.integers(1, len(packed) - 1))] ^= 1 << draw.draw(st.integers(0, 5))
    with suppress(ValueError, MemoryError):
        _entropy.unpack_bytes(bytes(packed))


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 300), max_size=400))
def test_numbers_come_back(values: list[int]) -> None:
    numbers = np.array(values, np.int64)
    assert np.array_equal(_entropy.unpack_numbers(_entropy.pack_numbers(numbers)), numbers)


@given(st.text("ACGTN=acgtRYK", max_size=200).map(str.encode))
def test_bases_at_two_bits_come_back(bases: bytes) -> None:
    assert _entropy.unpack_bases(_entropy.pack_bases(bases)) == bases


@given(st.integers(0, 10**6), st.lists(st.tuples(st.booleans(), BYTES), max_size=5))
def test_streams_of_a_block_come_back(rows: int, streams: list[tuple[bool, bytes]]) -> None:
    assert split(join(rows, streams)) == (rows, [stream for _, stream in streams])


NAMES = st.one_of(
    st.from_regex(r"\A[A-Z]{1,4}[0-9]{1,3}:[0-9]{1,4}:[A-Z0-9]{5}:[1-8]:[0-9]{4}:[0-9]{1,6}:[0-9]{1,6}\Z"),
    st.from_regex(r"\A[a-z]{0,3}0{0,4}[0-9]{0,25}(/[12])?\Z"),
    st.text(max_size=20),
)


@given(st.lists(NAMES, max_size=60), st.data())
@settings(max_examples=200)
def test_names_come_back_and_know_their_partners(names: list[str], draw: st.DataObject) -> None:
    if names:
        names = names + draw.draw(st.lists(st.sampled_from(names), max_size=30))
    column = pa.array(names, pa.string())
    block = codecs.encode_names(column)
    assert codecs.decode_names(block).equals(column)
    partners = codecs.name_partners(block)
    for row, partner in enumerate(partners.tolist()):
        assert (
            names.count(names[row]) == 1 if partner < 0 else names[row] == names[partner] and row != partner
        )


@given(
    st.from_regex(r"\A[A-Z]{1,4}[0-9]{0,3}:0?[0-9]{1,4}:[A-Z0-9-]{0,5}:[1-8]\Z"),
    st.lists(st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 40)), min_size=1, max_size=60),
    st.integers(1, 3),
)
def test_names_of_numbers_come_back(prefix: str, numbers: list[tuple[int, int]], copies: int) -> None:
    columns = np.array(numbers, np.int32).T
    block = codecs.encode_numbered_names(prefix, [np.ascontiguousarray(each) for each in columns], copies)
    names = [f"{prefix}:{x}:{y}" for x, y in numbers for _ in range(copies)]
    assert codecs.decode_names(block).to_pylist() == names
    if len(set(numbers)) == len(numbers):
        assert block == codecs.encode_names(pa.array(names))


def test_names_of_numbers_are_refused_where_their_text_would_be_another() -> None:
    with pytest.raises(ValueError, match="negative"):
        codecs.encode_numbered_names("A", [np.array([-1], np.int32)], 1)
    with pytest.raises(ValueError, match="control"):
        codecs.encode_numbered_names("A\n", [np.array([1], np.int32)], 1)


def test_a_pairs_name_is_stored_once() -> None:
    rng = np.random.default_rng(1)
    single = [f"HSQ1:1:C0:1:{t}:{x}:{y}" for t, x, y in rng.integers(1000, 90000, (4000, 3)).tolist()]
    once = len(codecs.encode_names(pa.array(single)))
    twice = len(codecs.encode_names(pa.array([name for name in single for _ in (1, 2)])))
    assert twice < 1.02 * once


CIGARS = st.lists(st.tuples(st.integers(0, 12), st.sampled_from("MIDNSHP=X")), max_size=6)


@st.composite
def alignments(draw: st.DrawFn) -> tuple[list[str | None], list[str | None], list[int]]:
    """Bases, CIGARs and starts of rows, most of which fit together."""
    bases: list[str | None] = []
    cigars: list[str | None] = []
    starts = []
    for _ in range(draw(st.integers(0, 12))):
        ops = draw(CIGARS)
        start = draw(st.integers(-1, len(REFERENCE) + 5))
        length = sum(count for count, op in ops if op in "MIS=X")
        seq = draw(st.text("ACGTNacgtRY=", min_size=length, max_size=length))
        if draw(st.booleans()):  # like the reference, as most bases are
            seq = "".join(
                chr(b) for b in np.resize(REFERENCE[max(start, 0) :] if start < 200 else REFERENCE, length)
            )
        if draw(st.integers(0, 9)) == 0:
            seq = draw(st.text("ACGT", max_size=30))
        bases.append(seq or None)
        cigars.append("".join(f"{count}{op}" for count, op in ops) or None)
        starts.append(start)
    return bases, cigars, starts


def placement(cigars: list[str | None], starts: list[int]) -> Placement:
    return Placement(
        starts=np.array(starts, np.int64),
        ends=np.array(starts, np.int64) + 1,
        cigars=pa.array(cigars, pa.string()),
    )


@given(alignments())
@settings(max_examples=300)
def test_bases_of_alignments_come_back_whatever_they_lie_on(rows: tuple[list[str | None], ...]) -> None:
    bases, cigars, starts = rows
    where = placement(cigars, starts)
    column = pa.array(bases, pa.string())
    block = codecs.encode_sequences(column, where, CONTIG)
    assert codecs.compared_with(block) == ("d", "c1")
    assert codecs.decode_sequences(block, where, CONTIG).equals(column)
    plain = codecs.encode_bases(column)
    assert codecs.compared_with(plain) is None
    assert codecs.decode_sequences(plain, None, NO_CONTIG).equals(column)


def put_together(parts: codecs.SequenceParts, cigars: list[str | None], starts: list[int]) -> list[str]:
    """Bases of rows from what they are made of, one base at a time: what a device does."""
    out = []
    for row, (cigar, start) in enumerate(zip(cigars, starts, strict=True)):
        at, length = int(parts.kept_at[row]), int(parts.lengths[row])
        if parts.whole[row]:
            out.append(parts.kept[at : at + length].tobytes().decode())
            continue
        bases: list[str] = []
        position = start
        for count, op in re.findall(r"(\d+)([MIDNSHP=X])", cigar or ""):
            for _ in range(int(count)):
                if op in "M=X":
                    bases.append(chr(REFERENCE[position]) if position < len(REFERENCE) else "N")
                elif op in "IS":
                    bases.append(chr(parts.kept[at]))
                    at += 1
                position += op in "M=XDN"
        for change in range(parts.change_at[row], parts.change_at[row + 1]):
            place, code = int(parts.places[change]), int(parts.codes[change])
            if code & 0xFF == 4:
                bases[place] = chr(code >> 8)
            else:
                bases[place] = "N" if code == 3 else "ACGT"[("ACGT".index(bases[place]) + code + 1) % 4]
        assert len(bases) == length
        out.append("".join(bases))
    return out


@given(alignments())
@settings(max_examples=150)
def test_parts_of_bases_are_put_together_as_they_were(rows: tuple[list[str | None], ...]) -> None:
    bases, cigars, starts = rows
    where = placement(cigars, starts)
    column = pa.array(bases, pa.string())
    wanted = [base or "" for base in bases]
    parts = codecs.sequence_parts(codecs.encode_sequences(column, where, CONTIG), where.cigars)
    assert put_together(parts, cigars, starts) == wanted
    whole = codecs.sequence_parts(codecs.encode_bases(column), None)
    assert put_together(whole, cigars, starts) == wanted


@given(alignments(), st.data())
@settings(max_examples=150)
def test_parts_of_damaged_bases_lie_within_their_arrays(
    rows: tuple[list[str | None], ...], draw: st.DataObject
) -> None:
    bases, cigars, starts = rows
    where = placement(cigars, starts)
    block = bytearray(codecs.encode_sequences(pa.array(bases, pa.string()), where, CONTIG))
    for _ in range(draw.draw(st.integers(1, 3))):
        block[draw.draw(st.integers(0, len(block) - 1))] = draw.draw(st.integers(0, 255))
    try:
        parts = codecs.sequence_parts(bytes(block), where.cigars)
    except (ValueError, UnicodeDecodeError, OSError):
        return
    count = len(parts.lengths)
    assert (parts.lengths >= 0).all()
    taken = np.where(parts.whole, parts.lengths, 0)
    assert (parts.kept_at + taken <= len(parts.kept)).all()
    row = np.repeat(np.arange(count), np.diff(parts.change_at))
    assert ((parts.places >= 0) & (parts.places < parts.lengths[row])).all()


def test_texts_whose_words_stay_in_a_file_are_told_by_their_beginning() -> None:
    rng = np.random.default_rng(2)
    texts = [
        rng.integers(40, 70, int(n)).astype(np.uint8).tobytes().decode() for n in rng.integers(30, 99, 400)
    ]
    block = codecs.encode_texts(pa.array(texts))
    whole = codecs.text_parts(block)
    placed = codecs.placed_text_parts(block[:4000], "/file", 1000)
    assert placed is not None
    assert np.array_equal(placed.lengths, whole.lengths)
    stream = placed.packed
    assert isinstance(stream, PlacedStream)
    assert block[stream.at - 1000 :] == whole.packed
    assert stream.size == len(whole.packed)
    # Its tables are not all there, or there are none: who reads it whole knows more.
    assert codecs.placed_text_parts(block[:300], "/file", 0) is None
    assert codecs.placed_text_parts(codecs.encode_texts(pa.array(["IIII"] * 9)), "/file", 0) is None


def field(tag: str, kind: str, value: bytes) -> bytes:
    return tag.encode() + kind.encode() + value


FIELDS = st.one_of(
    st.builds(lambda n: field("NM", "C", bytes([n])), st.integers(0, 255)),
    st.builds(lambda n: field("NM", "i", n.to_bytes(4, "little", signed=True)), st.integers(-3, 300)),
    st.builds(
        lambda n: field("AS", "s", n.to_bytes(2, "little", signed=True)), st.integers(-(2**15), 2**15 - 1)
    ),
    st.builds(lambda n: field("XI", "I", n.to_bytes(4, "little")), st.integers(0, 2**32 - 1)),
    st.builds(lambda text: field("MD", "Z", text.encode() + b"\0"), st.from_regex(r"\A[0-9]{1,2}\Z")),
    st.builds(lambda text: field("RG", "Z", text.encode() + b"\0"), st.text("abc", max_size=3)),
    st.builds(lambda b: field("XA", "A", b), st.sampled_from([b"x", b"y"])),
    st.builds(lambda b: field("XF", "f", b), st.binary(min_size=4, max_size=4)),
    st.builds(
        lambda values: field("ZB", "B", b"s" + len(values).to_bytes(4, "little") + b"".join(values)),
        st.lists(st.binary(min_size=2, max_size=2), max_size=4),
    ),
)
TAGS = st.one_of(st.none(), st.lists(FIELDS, max_size=6).map(b"".join), st.binary(max_size=12))


@given(alignments(), st.data())
@settings(max_examples=300)
def test_tags_come_back_byte_by_byte(rows: tuple[list[str | None], ...], draw: st.DataObject) -> None:
    bases, cigars, starts = rows
    tags = pa.array([draw.draw(TAGS) for _ in bases], pa.binary())
    column, where = pa.array(bases, pa.string()), placement(cigars, starts)
    block = codecs.encode_tags(tags, column, where, CONTIG)
    assert codecs.decode_tags(block, column, where, CONTIG).equals(tags)
    alone = codecs.encode_tags(tags, column, None, NO_CONTIG)
    assert not codecs.tags_need_bases(alone)
    assert codecs.decode_tags(alone, None, None, NO_CONTIG).equals(tags)


def test_md_and_nm_that_follow_from_the_bases_take_no_room() -> None:
    rows = 3000
    rng = np.random.default_rng(2)
    starts = rng.integers(0, len(REFERENCE) - 40, rows)
    bases = []
    for start in starts:
        own = bytearray(REFERENCE[start : start + 40].tobytes())
        own[int(rng.integers(40))] = ord("T")
        bases.append(own.decode())
    where = placement(["40M"] * rows, starts.tolist())
    column = pa.array(bases)
    (offsets, data, _), distances = codecs._sequences.differences(
        *codecs._buffers(column), *codecs._buffers(where.cigars), where.starts, CONTIG.bases
    )
    md = [data[a:b].tobytes() for a, b in pairwise(offsets)]
    tags = pa.array(
        [b"NMC" + bytes([n]) + b"MDZ" + text + b"\0" for n, text in zip(distances.tolist(), md, strict=True)],
        pa.binary(),
    )
    block = codecs.encode_tags(tags, column, where, CONTIG)
    assert codecs.tags_need_bases(block)
    assert len(block) < 200
    assert codecs.decode_tags(block, column, where, CONTIG).equals(tags)


TEXTS = st.lists(st.none() | st.text("!#,:FJ", max_size=40), max_size=50)


@given(TEXTS)
def test_qualities_come_back(texts: list[str | None]) -> None:
    column = pa.array(texts, pa.string())
    assert codecs.decode_texts(codecs.encode_texts(column)).equals(column)


@given(st.data())
@settings(max_examples=200)
def test_mates_come_back_whether_they_agree_or_not(draw: st.DataObject) -> None:
    rows = draw.draw(st.integers(0, 12))
    small = st.integers(-1, 20)
    names = pa.array(draw.draw(st.lists(st.sampled_from("abcde"), min_size=rows, max_size=rows)), pa.string())
    starts = np.array(draw.draw(st.lists(small, min_size=rows, max_size=rows)), np.int64)
    ends = starts + np.array(draw.draw(st.lists(st.integers(1, 9), min_size=rows, max_size=rows)), np.int64)
    where = Placement(starts=starts, ends=ends, cigars=pa.nulls(rows, pa.string()))
    next_starts = np.array(draw.draw(st.lists(small, min_size=rows, max_size=rows)), np.int64)
    lengths = np.array(
        draw.draw(st.lists(st.integers(-30, 30) | st.just(2**31 - 1), min_size=rows, max_size=rows)), np.int64
    )
    partners = codecs.name_partners(codecs.encode_names(names))
    if draw.draw(st.booleans()) and rows:  # as an aligner has them
        own = partners >= 0
        expected, spans = codecs._of_partner(partners, where)
        next_starts, lengths = np.where(own, expected, next_starts), np.where(own, spans, lengths)
    block = codecs.encode_mates(next_starts, lengths, partners, where)
    decoded_starts, decoded_lengths = codecs.decode_mates(block, partners, where)
    assert decoded_starts.fill_null(-1).to_pylist() == np.maximum(next_starts, -1).tolist()
    assert decoded_lengths.to_pylist() == lengths.tolist()


def test_a_damaged_block_is_a_value_error() -> None:
    block = codecs.encode_texts(pa.array(["IIII", "JJJJ"] * 100))
    for cut in (1, 5, len(block) - 1):
        with pytest.raises(ValueError, match=r"early|damaged|streams|bytes"):
            codecs.decode_texts(block[:cut])
