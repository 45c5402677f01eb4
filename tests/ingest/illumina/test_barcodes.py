"""Observed indexes to samples: the native matcher against a slow one, and indexes the wrong way round."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselake.errors import InputError
from baselake.ingest.illumina import _barcodes
from baselake.ingest.illumina.barcodes import check_orientation, match, orientation
from baselake.ingest.illumina.lane_plan import LanePlan, PlanEntry, ReadLayout, plan_lanes, reverse_complement
from tests.ingest.illumina.test_lane_plan import plan, run

LAYOUT = ReadLayout(segments=((0, 5),), umi=(), adapters=None)


def plan_of(entries: Sequence[tuple[str, str, int, int]], cycles: tuple[int, int]) -> LanePlan:
    """A plan of expected indexes and what each allows, which no sheet need be able to give."""
    return LanePlan(
        lane=1,
        index1=(0, cycles[0]),
        index2=(0, cycles[1]),
        entries=tuple(
            PlanEntry(
                sample_id=f"s{place}",
                sample_name="",
                project="",
                description="",
                line=place,
                index1=index1,
                index2=index2,
                sheet_index1=index1.strip("."),
                sheet_index2=index2.strip("."),
                mismatches1=allowed1,
                mismatches2=allowed2,
                layout=LAYOUT,
            )
            for place, (index1, index2, allowed1, allowed2) in enumerate(entries)
        ),
        default=LAYOUT,
        needs="",
        index2_reversed=None,
    )


def letters(indexes: Sequence[str], cycles: int) -> npt.NDArray[np.uint8]:
    return np.frombuffer("".join(indexes).encode(), np.uint8).reshape(len(indexes), cycles)


def slow_match(lane: LanePlan, index1: str, index2: str) -> tuple[int, int, int]:
    """The rule, word for word."""

    def mismatches(expected: str, observed: str) -> int:
        return sum(a not in (".", b) for a, b in zip(expected, observed, strict=True))

    found = []
    for place, entry in enumerate(lane.entries):
        one, two = mismatches(entry.index1, index1), mismatches(entry.index2, index2)
        if one <= entry.mismatches1 and two <= entry.mismatches2:
            found.append((one + two, place, one, two))
    return min(found)[1:] if found else (-1, -1, -1)


def index_of(cycles: int, alphabet: str) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=cycles, max_size=cycles)


@st.composite
def cases(draw: st.DrawFn) -> tuple[LanePlan, list[str], list[str]]:
    cycles = draw(st.sampled_from([(0, 0), (1, 0), (0, 3), (3, 2), (6, 6), (33, 64)]))
    # Few letters, so that indexes are near one another; with and without cycles left open.
    expected = draw(st.sampled_from(["AC", "ACGT", "ACG."]))
    entries = draw(
        st.lists(
            st.tuples(
                index_of(cycles[0], expected),
                index_of(cycles[1], expected),
                st.integers(0, 2),
                st.integers(0, 2),
            ),
            max_size=5,
        )
    )
    near = [entry[:2] for entry in entries] or [("A" * cycles[0], "A" * cycles[1])]
    observed = draw(
        st.lists(
            st.one_of(
                st.sampled_from(near).map(
                    lambda pair: (pair[0].replace(".", "T"), pair[1].replace(".", "N"))
                ),
                st.tuples(index_of(cycles[0], "ACGTN"), index_of(cycles[1], "ACGTN")),
            ),
            max_size=8,
        )
    )
    return plan_of(entries, cycles), [one for one, _ in observed], [two for _, two in observed]


class TestMatch:
    @settings(max_examples=200, deadline=None)
    @given(cases())
    def test_equals_the_slow_one(self, case: tuple[LanePlan, list[str], list[str]]) -> None:
        lane, index1, index2 = case
        entry, one, two = match(lane, letters(index1, lane.index1[1]), letters(index2, lane.index2[1]))
        assert (entry.dtype, one.dtype, two.dtype) == (np.int32, np.int8, np.int8)
        found = list(zip(entry.tolist(), one.tolist(), two.tolist(), strict=True))
        assert found == [slow_match(lane, *pair) for pair in zip(index1, index2, strict=True)]

    def test_each_index_has_its_own_mismatches(self) -> None:
        lane = plan(run(5, "i4", "i4"), ["a,AAAA,CCCC", "b,TTTT,GGGG"])
        index1 = letters(["AAAA", "AAAN", "AAAC", "AACC", "AAAA", "TTTT", "NNNN"], 4)
        index2 = letters(["CCCC", "CCCC", "CCCG", "CCCC", "CCGG", "GGGN", "NNNN"], 4)
        entry, one, two = match(lane, index1, index2)
        assert entry.tolist() == [0, 0, 0, -1, -1, 1, -1]
        assert one.tolist() == [0, 1, 1, -1, -1, 0, -1]
        assert two.tolist() == [0, 0, 1, -1, -1, 1, -1]

    def test_a_lane_without_samples_and_one_with_a_sample_for_all(self) -> None:
        info = run(5, "i4", "i4")
        nothing = plan_lanes(info, None, None)[1]
        entry, _, _ = match(nothing, letters(["AAAA"], 4), letters(["CCCC"], 4))
        assert entry.tolist() == [-1]
        everything = plan(info, ["a,,"])
        empty = np.empty((3, 0), np.uint8)
        entry, one, two = match(everything, empty, empty)
        assert (entry.tolist(), one.tolist(), two.tolist()) == ([0] * 3, [0] * 3, [0] * 3)

    def test_slices_of_larger_arrays(self) -> None:
        lane = plan(run(5, "i4", "i4"), ["a,AAAA,CCCC"])
        rows = letters(["TTAAAACCCC", "TTAAAACCCG"], 10)
        entry, _, two = match(lane, rows[:, 2:6], rows[:, 6:])
        assert (entry.tolist(), two.tolist()) == ([0, 0], [0, 1])

    def test_an_index_longer_than_any_real_one(self) -> None:
        lane = plan_of([("A" * 65, "", 1, 1)], (65, 0))
        with pytest.raises(InputError, match="65 cycles of index 1"):
            match(lane, np.full((1, 65), ord("A"), np.uint8), np.empty((1, 0), np.uint8))


def slow_collision(lane: LanePlan) -> tuple[int, int]:
    """The first two entries that some index, of all there could be, would do for."""
    one, two = ([*map("".join, product("ACGT", repeat=cycles))] for _, cycles in (lane.index1, lane.index2))
    entries = lane.entries

    def accepted(entry: PlanEntry) -> set[tuple[str, str]]:
        own = replace(lane, entries=(entry,))
        return {pair for pair in product(one, two) if slow_match(own, *pair)[0] == 0}

    sets = [accepted(entry) for entry in entries]
    pairs = combinations(range(len(entries)), 2)
    return next((pair for pair in pairs if sets[pair[0]] & sets[pair[1]]), (-1, -1))


class TestCollision:
    @settings(max_examples=100, deadline=None)
    @given(cases().map(lambda case: case[0]).filter(lambda lane: lane.index1[1] + lane.index2[1] <= 5))
    def test_equals_the_slow_one(self, lane: LanePlan) -> None:
        assert collision(lane, independent=False) == slow_collision(lane)

    def test_each_index_by_itself(self) -> None:
        rows = [("AAAA", "CCCC", 1, 1), ("TTTT", "CCCG", 1, 1), ("GGGG", "....", 1, 0)]
        lane = plan_of(rows, (4, 4))
        assert collision(lane, independent=False) == (-1, -1)
        assert collision(lane, independent=True) == (0, 1)
        # An index that one of two has not cannot be asked to tell them apart.
        assert collision(plan_of(rows[::2], (4, 4)), independent=True) == (-1, -1)


def collision(lane: LanePlan, *, independent: bool) -> tuple[int, int]:
    return _barcodes.collision(
        letters([entry.index1 for entry in lane.entries], lane.index1[1]),
        letters([entry.index2 for entry in lane.entries], lane.index2[1]),
        np.array([entry.mismatches1 for entry in lane.entries], np.int32),
        np.array([entry.mismatches2 for entry in lane.entries], np.int32),
        independent,
    )


INDEX1 = ("ATTACTCG", "TCCGGAGA", "CGCTCATT", "GAGATTCC")
INDEX2 = ("TATAGCCT", "ATAGAGGC", "CCTATCCT", "GGCTCTGA")


def lane_and_reads(
    flip1: bool = False,
    flip2: bool = False,
    share: float = 0.9,
    clusters: int = 100_000,
    reverse: bool = False,
) -> tuple[LanePlan, npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """A sheet, and a lane of which a share has its indexes, read the other way round where `flip` says so."""
    rows = [f"s{place},{one},{two}" for place, (one, two) in enumerate(zip(INDEX1, INDEX2, strict=True))]
    lane = plan(run(5, "i8", "i8", reverse=reverse), rows)
    random = np.random.default_rng(3)
    noise = 50
    read1 = [reverse_complement(one) if flip1 else one for one in INDEX1]
    read2 = [reverse_complement(two) if flip2 else two for two in INDEX2]
    other = random.choice(list("ACGT"), (2, noise, 8))
    index1 = letters([*read1, *("".join(one) for one in other[0])], 8)
    index2 = letters([*read2, *("".join(two) for two in other[1])], 8)
    mine = int(share * clusters)
    counts = np.array([mine // 4] * 4 + [(clusters - mine) // noise] * noise, np.int64)
    return lane, index1, index2, counts


class TestOrientation:
    def test_counts(self) -> None:
        found = orientation(*lane_and_reads(flip2=True))
        assert (found.clusters, found.index2_reversed) == (100_000, 90_000)
        assert (found.given, found.index1_reversed, found.both_reversed) == (0, 0, 0)

    @pytest.mark.parametrize(
        ("flip1", "flip2", "columns"),
        [(False, True, "index2"), (True, False, "index"), (True, True, "index and index2")],
    )
    def test_a_flipped_sheet_is_refused(self, flip1: bool, flip2: bool, columns: str) -> None:
        message = rf"lane 1: 0\.0 % of 100000 clusters .* 90\.0 % would if {columns} was reverse-complemented"
        with pytest.raises(InputError, match=message) as caught:
            check_orientation(*lane_and_reads(flip1, flip2), "sheet.csv")
        assert caught.value.where == "sheet.csv"
        assert f" {columns} of every sample" in caught.value.remedy

    @pytest.mark.parametrize("share", [0.3, 0.5, 0.95])
    def test_in_lanes_half_full_of_others_too(self, share: float) -> None:
        with pytest.raises(InputError, match="index2 was reverse-complemented"):
            check_orientation(*lane_and_reads(flip2=True, share=share))

    @pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.95])
    def test_a_right_sheet_passes_however_poor_the_lane(self, share: float) -> None:
        check_orientation(*lane_and_reads(share=share))

    def test_few_clusters_say_nothing(self) -> None:
        check_orientation(*lane_and_reads(flip2=True, clusters=80))

    def test_a_read_marked_reversed_is_expected_so(self) -> None:
        check_orientation(*lane_and_reads(flip2=True, reverse=True))
        with pytest.raises(InputError, match="index2 was reverse-complemented"):
            check_orientation(*lane_and_reads(reverse=True))

    def test_says_how_the_instrument_reads(self) -> None:
        lane, *seen = lane_and_reads(flip2=True)
        with pytest.raises(InputError, match="this instrument reads i5 as its reverse complement"):
            check_orientation(replace(lane, index2_reversed=True), *seen)

    def test_palindromes_do_not_look_flipped(self) -> None:
        lane = plan(run(5, "i8"), ["a,ACGTACGT", "b,GGATATCC"], columns="Sample_ID,index")
        index1 = letters(["ACGTACGT", "GGATATCC", "TTTTTTTT"], 8)
        check_orientation(lane, index1, np.empty((3, 0), np.uint8), np.array([4000, 4000, 2000]))

    def test_only_the_most_frequent_of_endless_sequences_count(self) -> None:
        lane, index1, index2, counts = lane_and_reads(flip2=True)
        noise = np.random.default_rng(5).choice(np.frombuffer(b"ACGT", np.uint8), (2, 30_000, 8))
        with pytest.raises(InputError, match="index2 was reverse-complemented"):
            check_orientation(
                lane,
                np.concatenate([noise[0], index1]),
                np.concatenate([noise[1], index2]),
                np.concatenate([np.ones(30_000, np.int64), counts]),
            )

    def test_samples_without_index_have_no_orientation(self) -> None:
        empty = np.empty((1, 0), np.uint8)
        check_orientation(
            plan(run(5, "i4"), ["a,"], columns="Sample_ID,index"), empty, empty, np.array([5000])
        )
