"""Metrics of quality control as pure functions, beside slow and obvious ones."""

import statistics

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselake.compute.qc.calls import (
    LONGEST_INDEL,
    Balance,
    call_metrics,
    called,
    count_calls,
    indel_lengths,
    union_length,
)
from baselake.compute.qc.depth import (
    DEEPEST,
    THRESHOLDS,
    add_changes,
    aligned_blocks,
    coverage_metrics,
    depth_histogram,
    depth_of,
    windows_of,
)
from baselake.compute.qc.reads import flag_metrics, insert_histogram, insert_metrics
from baselake.compute.qc.sex import observed_sex, sex_metrics

CIGARS = st.lists(st.tuples(st.integers(1, 9), st.sampled_from("MIDNSH=X")), min_size=1, max_size=6).map(
    lambda parts: "".join(f"{length}{kind}" for length, kind in parts)
)
RECORDS = st.lists(
    st.tuples(
        st.integers(-20, 90), st.sampled_from([0, 16, 4, 0x100, 0x200, 0x400, 0x800]), st.none() | CIGARS
    ),
    max_size=12,
)


def covered(start: int, cigar: str) -> list[int]:
    """Bases of the reference under M, = and X, one at a time."""
    import re

    found, at = [], start
    for length, kind in re.findall(r"(\d+)(\D)", cigar):
        for _ in range(int(length)):
            if kind in "M=X":
                found.append(at)
            at += kind in "M=XDN"
    return found


@given(RECORDS)
def test_depth_is_what_counting_base_by_base_gives(records: list[tuple[int, int, str | None]]) -> None:
    expected = np.zeros(60, int)
    for start, flag, cigar in records:
        if not flag & 0x704 and cigar is not None:
            for base in covered(start, cigar):
                if 10 <= base < 70:
                    expected[base - 10] += 1
    starts, flags, cigars = zip(*records, strict=True) if records else ((), (), ())
    changes = np.zeros(61, np.int32)
    batch = pa.record_batch(
        {
            "start": pa.array(starts, pa.int32()),
            "flag": pa.array(flags, pa.int32()),
            "cigar": pa.array(cigars, pa.string()),
        }
    )
    add_changes(changes, 10, batch)
    assert depth_of(changes).tolist() == expected.tolist()


def test_what_is_no_cigar_is_refused() -> None:
    with pytest.raises(ValueError, match="no CIGAR: '5M3'"):
        aligned_blocks("5M3")


@given(st.lists(st.integers(0, DEEPEST), min_size=1, max_size=80), st.integers(1, 30))
def test_windows_and_histogram_add_up(depths: list[int], size: int) -> None:
    array = np.array(depths, np.int32)
    found = windows_of(array, 100, size)
    for place, (start, end) in enumerate(zip(found.start, found.end, strict=True)):
        part = depths[start - 100 : end - 100]
        assert found.mean[place] == pytest.approx(statistics.fmean(part), rel=1e-6)
        for least, shares in zip(THRESHOLDS, found.shares, strict=True):
            assert shares[place] == pytest.approx(sum(depth >= least for depth in part) / len(part))
    assert found.end[-1] == 100 + len(depths)
    metrics = coverage_metrics(depth_histogram(array), sum(depths))
    assert metrics["mean_coverage"] == pytest.approx(statistics.fmean(depths))
    assert metrics["covered_10"] == pytest.approx(sum(depth >= 10 for depth in depths) / len(depths))
    if above := [depth for depth in depths if depth]:
        assert metrics["median_coverage_covered"] == statistics.median_low(above)


@given(st.lists(st.tuples(st.integers(0, 0xFFF), st.integers(-900, 900)), max_size=60))
def test_inserts_are_of_proper_pairs_once(records: list[tuple[int, int]]) -> None:
    flags, tlen = (np.array([record[column] for record in records], int) for column in (0, 1))
    kept = [abs(t) for f, t in records if f & 0x83 == 0x83 and not f & (0x900 | 0x400 | 0xC) and t]
    histogram = insert_histogram(flags, tlen)
    assert sorted(np.repeat(np.arange(len(histogram)), histogram)) == sorted(kept)
    if kept:
        middle = statistics.median(kept)
        expected = {
            "insert_median": middle,
            "insert_mad": statistics.median(abs(size - middle) for size in kept),
        }
        assert insert_metrics(histogram) == expected
    else:
        assert insert_metrics(histogram) == {}


def test_rates_of_nothing_are_left_out() -> None:
    assert flag_metrics(np.array([], int), np.array([], int)) == {
        "reads": 0.0,
        "mapped": 0.0,
        "properly_paired": 0.0,
        "duplicates": 0.0,
    }


def rows(*calls: tuple[str, str, str, str, int, int]) -> pa.Table:
    names = ("ref", "alt", "type", "gt", "ad_ref", "ad_alt")
    table = pa.Table.from_pylist([dict(zip(names, call, strict=True)) for call in calls])
    return table.append_column("alt_copies", pa.array([1] * len(calls), pa.int8())).append_column(
        "filters", pa.array([[]] * len(calls), pa.list_(pa.string()))
    )


def test_calls_are_counted_by_kind() -> None:
    table = rows(
        ("A", "G", "snv", "0/1", 9, 9),
        ("C", "T", "snv", "1|1", 0, 20),
        ("A", "C", "snv", "1/2", 0, 9),
        ("A", "T", "snv", "2/1", 0, 9),
        ("AT", "A", "deletion", "0|1", 9, 9),
        ("A", "ATTT", "insertion", "1", 0, 9),
    )
    found = call_metrics(count_calls(called(table)))
    assert (found["snvs"], found["insertions"], found["deletions"], found["indels"]) == (4, 1, 1, 2)
    assert (found["ti_tv"], found["het_hom"]) == (1.0, 2.0)
    lengths = indel_lengths(table)
    assert np.flatnonzero(lengths).tolist() == [LONGEST_INDEL - 1, LONGEST_INDEL + 3]


@pytest.mark.parametrize("share", [0.0, 0.02, 0.05, 0.1])
def test_a_planted_contamination_is_found(share: float) -> None:
    """Another person with alternates at half of the sites' alleles, reads drawn, errors of one in a thousand."""
    draw = np.random.default_rng(7)
    balance = Balance()
    for gt, copies in (("0/1", 1), ("1/1", 2)):
        other = draw.binomial(2, 0.5, 4000) / 2
        alternate = (1 - share) * copies / 2 + share * other
        depth = draw.poisson(40, 4000) + 10
        seen = draw.binomial(depth, alternate * 0.999)
        balance.add(
            rows(*(("A", "G", "snv", gt, int(n - k), int(k)) for n, k in zip(depth, seen, strict=True)))
        )
    found = balance.metrics()
    assert found["contamination"] == pytest.approx(share, abs=0.004)
    assert found["contamination_het"] == pytest.approx(share, abs=0.03)


def test_few_genotypes_tell_nothing_of_contamination() -> None:
    balance = Balance()
    balance.add(rows(*[("A", "G", "snv", "1/1", 1, 29)] * 99))
    assert balance.metrics() == {}


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=20))
def test_overlapping_intervals_count_once(intervals: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, _ in intervals], int)
    ends = np.array([start + length for start, length in intervals], int)
    assert union_length(starts, ends) == len({base for s, n in intervals for base in range(s, s + n)})


@pytest.mark.parametrize(
    ("x", "y", "sex"), [(30, 1, "female"), (15, 15, "male"), (30, 15, None), (15, 1, None)]
)
def test_sex_by_coverage(x: int, y: int, sex: str | None) -> None:
    depths = {"1": 30, "X": x, "Y": y, "MT": 900}
    windows = {name: windows_of(np.full(1000, depth, np.int32), 0, 100) for name, depth in depths.items()}
    known = {name: np.ones(10, bool) for name in depths}
    found = sex_metrics(windows, known, dict.fromkeys(depths, 1000))
    assert found == {"x_copies": x / 15, "y_copies": y / 15}
    assert observed_sex(found) == sex


def test_without_autosomes_coverage_tells_no_sex() -> None:
    windows = {"X": windows_of(np.full(100, 30, np.int32), 0, 10)}
    assert sex_metrics(windows, {"X": np.ones(10, bool)}, {"X": 100, "1": 100}) == {}
    assert observed_sex({}) is None
    assert observed_sex({"x_het": 0.6}) == "female"
