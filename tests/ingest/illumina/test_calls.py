"""The native base calls give what the slow, obvious way with NumPy gives."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from baselake.ingest.illumina._calls import Calls, select_bytes, select_nibbles
from baselake.lake.columns import _entropy
from baselake.lake.qualities import bin_table

Array = NDArray[np.uint8]
# 16 rows are transposed at a time, 128 are unpacked at a time.
CLUSTERS = st.sampled_from([0, 1, 2, 15, 16, 17, 31, 127, 128, 129, 300])
# 8192 are selected at a time.
SELECTED = CLUSTERS | st.sampled_from([8191, 8192, 8193, 20_001])
CYCLES = st.integers(1, 70)
SEEDS = st.integers(0, 2**32 - 1)
ASCII = np.frombuffer(b"ACGT", np.uint8)


def random_calls(clusters: int, cycles: int, seed: int) -> Array:
    """Call bytes, with no-calls, and with bases of quality 0 as only Picard's rule leaves them."""
    random = np.random.default_rng(seed)
    calls = random.integers(0, 256, (clusters, cycles), dtype=np.uint8)
    calls[random.random(calls.shape) < 0.1] = 0
    return calls


def made_of(calls: Array) -> Calls:
    made = Calls(*calls.shape)
    for first in range(0, calls.shape[1], 16):
        planes = [np.ascontiguousarray(plane) for plane in calls[:, first : first + 16].T]
        made.add(first, planes, [None] * len(planes))
    return made


def bases_of(calls: Array) -> Array:
    return np.where(calls == 0, ord("N"), ASCII[calls & 3]).astype(np.uint8)


def qualities_of(calls: Array) -> Array:
    return np.where(calls == 0, 2, calls >> 2).astype(np.uint8)


def some_range(data: st.DataObject, cycles: int) -> tuple[int, int]:
    begin = data.draw(st.integers(0, cycles))
    return begin, data.draw(st.integers(0, cycles - begin))


@settings(max_examples=60, deadline=None)
@given(clusters=CLUSTERS, cycles=CYCLES, seed=SEEDS)
def test_planes_of_bytes_and_of_nibbles_become_rows(clusters: int, cycles: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    table = random.integers(0, 256, 16, dtype=np.uint8)
    nibbles = random.integers(0, 16, (clusters, cycles), dtype=np.uint8)
    packed = random.random(cycles) < 0.5
    planes, tables = [], []
    for cycle in range(cycles):
        column = nibbles[:, cycle]
        if packed[cycle]:
            # The nibble that fills up an odd number may be anything.
            padded = np.append(column, np.uint8(2)) if clusters % 2 else column
            planes.append(padded[0::2] | padded[1::2] << 4)
        else:
            planes.append(table[column])
        tables.append(table.tobytes() if packed[cycle] else None)
    made = Calls(clusters, cycles)
    anomalies = sum(
        made.add(first, planes[first : first + 32], tables[first : first + 32])
        for first in range(0, cycles, 32)
    )
    np.testing.assert_array_equal(made.array, table[nibbles])
    assert anomalies == np.isin(nibbles[:, packed], [1, 2, 3]).sum()


@settings(max_examples=40, deadline=None)
@given(clusters=SELECTED, seed=SEEDS, share=st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_clusters_are_selected_from_a_plane(clusters: int, seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    keep = random.random(clusters) < share
    flags = np.packbits(keep, bitorder="little")
    table = random.integers(0, 256, 16, dtype=np.uint8)

    plane = random.integers(0, 10, clusters, dtype=np.uint8)
    calls, anomalies = select_bytes(plane, clusters, flags, int(keep.sum()), table.tobytes())
    np.testing.assert_array_equal(calls, np.where(plane < 4, table[plane], plane)[keep])
    assert anomalies == np.isin(plane[keep], [1, 2, 3]).sum()
    everything, _ = select_bytes(plane, clusters, None, clusters, table.tobytes())
    np.testing.assert_array_equal(everything, np.where(plane < 4, table[plane], plane))

    nibbles = random.integers(0, 16, clusters + clusters % 2, dtype=np.uint8)
    calls, anomalies = select_nibbles(
        nibbles[0::2] | nibbles[1::2] << 4, clusters, flags, int(keep.sum()), table.tobytes()
    )
    nibbles = nibbles[:clusters]
    np.testing.assert_array_equal(calls, table[nibbles][keep])
    assert anomalies == np.isin(nibbles[keep], [1, 2, 3]).sum()


@settings(max_examples=40, deadline=None)
@given(data=st.data(), clusters=CLUSTERS, cycles=CYCLES, seed=SEEDS)
def test_rows_are_emitted_in_any_order(data: st.DataObject, clusters: int, cycles: int, seed: int) -> None:
    calls = random_calls(clusters, cycles, seed)
    order = np.random.default_rng(seed).integers(0, max(clusters, 1), min(2 * clusters, 200))
    ranges = [some_range(data, cycles) for _ in range(data.draw(st.integers(0, 3)))]
    columns = [column for begin, length in ranges for column in range(begin, begin + length)]
    bases, quals = made_of(calls).emit(order.astype(data.draw(st.sampled_from(["int64", "uint32"]))), ranges)
    np.testing.assert_array_equal(bases, bases_of(calls)[order][:, columns].ravel())
    np.testing.assert_array_equal(quals, qualities_of(calls)[order][:, columns].ravel() + ord("!"))


@settings(max_examples=40, deadline=None)
@given(data=st.data(), clusters=CLUSTERS, cycles=CYCLES, seed=SEEDS)
def test_clusters_are_grouped_by_their_indexes(
    data: st.DataObject, clusters: int, cycles: int, seed: int
) -> None:
    calls = random_calls(clusters, cycles, seed) & 0b101  # few different ones
    ranges = [some_range(data, cycles), some_range(data, cycles)]
    code, *keys = made_of(calls).group(*ranges)
    texts = [
        [row.tobytes() for row in bases_of(calls)[:, begin : begin + length]] for begin, length in ranges
    ]
    pairs = list(zip(*texts, strict=True))
    distinct = list(dict.fromkeys(pairs))
    assert [(one.tobytes(), two.tobytes()) for one, two in zip(*keys, strict=True)] == distinct
    assert code.dtype == np.int32
    assert [distinct[number] for number in code.tolist()] == pairs


def test_more_indexes_than_the_table_begins_with_are_told_apart() -> None:
    calls = np.random.default_rng(5).integers(4, 256, (20_000, 20), dtype=np.uint8)
    code, one, two = made_of(calls).group((0, 10), (10, 10))
    pairs = Counter(row.tobytes() for row in bases_of(calls))
    assert len(one) == len(two) == len(pairs)
    np.testing.assert_array_equal(np.hstack([one, two])[code], bases_of(calls))


@settings(max_examples=40, deadline=None)
@given(data=st.data(), clusters=CLUSTERS, cycles=st.one_of(CYCLES, st.just(600)), seed=SEEDS)
def test_qualities_are_summed_by_code(data: st.DataObject, clusters: int, cycles: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    calls = random_calls(clusters, cycles, seed)
    begin, length = some_range(data, cycles)
    code, chosen = random.integers(0, 3, clusters, np.int32), random.random(clusters) < 0.7
    qualities = qualities_of(calls)[:, begin : begin + length]
    q30, total = made_of(calls).quality((begin, length), code, 3, chosen)
    each = [qualities[chosen & (code == one)] for one in range(3)]
    assert q30.tolist() == [(some >= 30).sum() for some in each]
    assert total.tolist() == [some.sum(dtype=np.int64) for some in each]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), clusters=CLUSTERS, cycles=CYCLES, seed=SEEDS, step=st.integers(1, 40))
def test_rows_are_coded_as_their_text_would_be(
    data: st.DataObject, clusters: int, cycles: int, seed: int, step: int
) -> None:
    calls = made_of(random_calls(clusters, cycles, seed))
    order = np.random.default_rng(seed).integers(0, max(clusters, 1), min(2 * clusters, 200))
    ranges = [some_range(data, cycles) for _ in range(data.draw(st.integers(0, 3)))]
    bins = data.draw(st.sampled_from([0, 4]))
    blocks = calls.code(order, ranges, step, bin_table(bins))
    assert len(blocks) == -(-len(order) // step)
    for number, (bases, quals) in enumerate(blocks):
        texts = calls.emit(order[number * step : (number + 1) * step], ranges)
        assert _entropy.unpack_bases(bases) == texts[0].tobytes()
        assert _entropy.unpack_bytes(quals) == texts[1].tobytes().translate(bin_table(bins))


@settings(max_examples=40, deadline=None)
@given(data=st.data(), clusters=CLUSTERS, cycles=CYCLES, seed=SEEDS, repeat=st.integers(1, 3))
def test_rows_become_dictionaries(
    data: st.DataObject, clusters: int, cycles: int, seed: int, repeat: int
) -> None:
    calls = made_of(random_calls(clusters, cycles, seed) & 0b101)  # few different ones
    order = np.random.default_rng(seed).integers(0, max(clusters, 1), min(2 * clusters, 200))
    cycle_range = some_range(data, cycles)
    codes, texts, quality_codes, quality_texts = calls.dictionaries(order, cycle_range, repeat)
    rows = np.repeat(order, repeat)
    bases, quals = (text.reshape(len(rows), cycle_range[1]) for text in calls.emit(rows, [cycle_range]))
    np.testing.assert_array_equal(texts[codes], bases)
    np.testing.assert_array_equal(quality_texts[quality_codes], quals)
    assert len(texts) == len({row.tobytes() for row in bases})
    assert len(quality_texts) == len({row.tobytes() for row in quals})


@settings(max_examples=30, deadline=None)
@given(
    positions=st.lists(st.tuples(*[st.integers(-(2**31), 2**31 - 1)] * 2), min_size=1, max_size=40),
    prefix=st.text("AM:_019", max_size=20),
    repeat=st.integers(1, 3),
    seed=SEEDS,
)
def test_names_are_written(positions: list[tuple[int, int]], prefix: str, repeat: int, seed: int) -> None:
    x, y = np.array(positions, np.int32).T
    order = np.random.default_rng(seed).permutation(len(positions))
    calls = made_of(random_calls(len(positions), 1, seed))
    offsets, text = calls.names(order, np.ascontiguousarray(x), np.ascontiguousarray(y), prefix, repeat)
    names = [text[begin:end].tobytes().decode() for begin, end in pairwise(offsets)]
    assert names == [f"{prefix}:{x[row]}:{y[row]}" for row in order for _ in range(repeat)]


def adapter_begins(read: bytes, adapter: bytes, stringency: float, min_overlap: int) -> int:
    for begin in range(len(read) - max(min_overlap, 1) + 1):
        overlap = min(len(adapter), len(read) - begin)
        agree = sum(ours == theirs for ours, theirs in zip(adapter, read[begin:], strict=False))
        if agree >= stringency * overlap - 1e-9:
            return begin
    return -1


@settings(max_examples=40, deadline=None)
@given(
    data=st.data(),
    adapter=st.one_of(
        st.text("ACGT", min_size=1, max_size=40), st.just("AGATCGGAAGAGCACACGTCTGAACTCCAGTCAC")
    ),
    stringency=st.sampled_from([0.5, 0.75, 0.9, 1.0]),
    min_overlap=st.integers(0, 6),
    seed=SEEDS,
)
def test_adapters_are_found(
    data: st.DataObject, adapter: str, stringency: float, min_overlap: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    calls = random.integers(4, 256, (40, 60), dtype=np.uint8)
    codes = np.array(["ACGT".index(base) for base in adapter], np.uint8)
    for row in range(30):  # adapters from anywhere on, with errors
        begin = random.integers(0, 60)
        part = codes[: 60 - begin]
        calls[row, begin : begin + len(part)] = 40 | np.where(random.random(len(part)) < 0.1, part ^ 1, part)
    calls[random.random(calls.shape) < 0.02] = 0
    cycles = some_range(data, 60)
    order = random.permutation(40)
    found = made_of(calls).find_adapter(order, cycles, adapter.encode(), stringency, min_overlap)
    reads = [row.tobytes() for row in bases_of(calls)[order, cycles[0] : sum(cycles)]]
    assert found.tolist() == [
        adapter_begins(read, adapter.encode(), stringency, min_overlap) for read in reads
    ]


def test_what_is_not_there_is_not_read() -> None:
    calls = made_of(random_calls(10, 20, 1))
    with pytest.raises(IndexError):
        calls.emit(np.array([10]), [(0, 1)])
    with pytest.raises(IndexError):
        calls.emit(np.array([-1]), [(0, 1)])
    with pytest.raises(ValueError, match="no such cycles"):
        calls.emit(np.array([0]), [(15, 6)])
    with pytest.raises(ValueError, match="not been added"):
        Calls(10, 20).emit(np.array([0]), [(0, 1)])
    with pytest.raises(ValueError, match="length"):
        Calls(10, 20).add(0, [b"123456789"] * 16, [None] * 16)
    with pytest.raises(ValueError, match="groups of 16"):
        Calls(10, 20).add(3, [b"1234567890"] * 16, [None] * 16)
    with pytest.raises(ValueError, match="a code below the count"):
        calls.quality((0, 20), np.full(10, 3, np.int32), 3, np.ones(10, bool))
    with pytest.raises(ValueError, match="do not choose that many"):
        select_bytes(b"1234567890", 10, b"\xff\x03", 9, bytes(16))
    with pytest.raises(ValueError, match="read-only"):
        calls.array[0, 0] = 1
