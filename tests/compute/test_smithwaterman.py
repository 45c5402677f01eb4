"""Banded alignment: the kernel equals its oracle, and gaps stand as far left as they can."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselake.compute.pileup import _twin as pileup
from baselake.compute.smithwaterman import Scores, align, reference

sequences = st.text("ACGTN", max_size=30) | st.text("AC", max_size=30)
scorings = st.sampled_from(
    [
        Scores(match=200, mismatch=-150, open=-260, extend=-11),
        Scores(match=10, mismatch=-15, open=-30, extend=-5),
        Scores(match=1, mismatch=-4, open=-6, extend=-1),
    ]
)


@given(
    pairs=st.lists(st.tuples(sequences, sequences), min_size=1, max_size=20),
    slack=st.integers(0, 10),
    scores=scorings,
)
@settings(max_examples=100, deadline=None)
def test_alignments_equal_the_oracle(pairs: list[tuple[str, str]], slack: int, scores: Scores) -> None:
    queries, targets = zip(*pairs, strict=True)
    found = align(queries, targets, slack=slack, scores=scores)
    for query, target, one in zip(queries, targets, found, strict=True):
        assert (one.score, one.cigar) == reference.align(query, target, slack, scores)
        assert reference.score_of(query, target, one.cigar, scores) == one.score


@given(query=sequences, target=sequences)
@settings(max_examples=100, deadline=None)
def test_a_wider_band_is_never_worse(query: str, target: str) -> None:
    scores = [align([query], [target], slack=slack)[0].score for slack in (0, 2, 10, 30)]
    assert scores == sorted(scores)


@given(
    flank=st.text("ACGT", min_size=12, max_size=12),
    unit=st.text("ACGT", min_size=1, max_size=3),
    units=st.integers(4, 10),
    other=st.text("ACGT", min_size=12, max_size=12),
)
@settings(max_examples=100, deadline=None)
def test_a_missing_unit_is_deleted_where_the_caller_would_write_it(
    flank: str, unit: str, units: int, other: str
) -> None:
    target = flank + unit * units + other
    (one,) = align([flank + unit * (units - 1) + other], [target], slack=8)
    parts = [(int(number), kind) for number, kind in re.findall(r"(\d+)([MID])", one.cigar)]
    assert [kind for _, kind in parts] in (["M", "D", "M"], ["D", "M"])
    at = parts[0][0] if parts[0][1] == "M" else 0
    bases = np.frombuffer(target.encode(), np.uint8)
    start, ref, alt = pileup.normalise(bases, at, len(unit), "")
    assert (start + 1 if at else start, len(ref) - len(alt)) == (at, len(unit))
    # Normalising what is normalised changes nothing.
    assert pileup.normalise(bases, start, len(ref), alt) == (start, ref, alt)


def test_a_long_insertion_is_one_gap() -> None:
    left, right = "GATTACAGGCTTCAGTACCGT", "CCGTAGGCATTGCAAGTCTGA"
    (one,) = align([left + "TTGACCATGCA" * 5 + right], [left + right], slack=10)
    assert one.cigar == "21M55I21M"


def test_what_cannot_be_aligned_is_an_error() -> None:
    with pytest.raises(ValueError, match="a slack of -1"):
        align(["A"], ["A"], slack=-1)
    with pytest.raises(ValueError, match="1 queries and 2 targets"):
        align(["A"], ["A", "C"], slack=1)
    assert align([], [], slack=1) == []
