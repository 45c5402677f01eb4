"""The PairHMM: the kernel equals its oracle, whatever else is in the batch, and float32 never shows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselake.compute import pairhmm
from baselake.compute.pairhmm import as_haplotypes, as_reads, reference

qualities = st.sampled_from([0, 2, 10, 25, 37, 45])


def one_cost(
    read: str, quality: list[int], haplotype: str, diagonal: int = 0, left: int = 0, right: int = 0
) -> float:
    return batch_costs([(read, quality, haplotype, diagonal)], left, right)[0]


def batch_costs(pairs: list[tuple[str, list[int], str, int]], left: int, right: int) -> list[float]:
    reads = as_reads([read for read, *_ in pairs], [quality for _, quality, *_ in pairs])
    haplotypes = as_haplotypes([haplotype for _, _, haplotype, _ in pairs])
    index = np.arange(len(pairs), dtype=np.int32)
    diagonals = np.array([diagonal for *_, diagonal in pairs], np.int32)
    return pairhmm.costs(reads, haplotypes, index, index, diagonals, left=left, right=right).tolist()


def oracle(read: str, quality: list[int], haplotype: str, diagonal: int, left: int, right: int) -> float:
    opening = reference.gap_open_qualities(haplotype)
    return min(
        pairhmm.MAX_COST,
        reference.cost(read, quality, haplotype, opening, opening, diagonal, left, right),
    )


@given(
    haplotype=st.text("ACGTN", min_size=1, max_size=40) | st.text("AC", min_size=1, max_size=40),
    read=st.text("ACGTN", max_size=30) | st.text("AC", max_size=30),
    quality=st.lists(qualities, min_size=30, max_size=30),
    diagonal=st.integers(-5, 30),
    left=st.integers(0, 12),
    right=st.integers(0, 12),
)
@settings(max_examples=200, deadline=None)
def test_costs_equal_the_oracle(
    haplotype: str, read: str, quality: list[int], diagonal: int, left: int, right: int
) -> None:
    q = quality[: len(read)]
    expected = oracle(read, q, haplotype, diagonal, left, right)
    assert one_cost(read, q, haplotype, diagonal, left, right) == pytest.approx(expected, abs=2e-3, rel=1e-5)


@given(
    pairs=st.lists(
        st.tuples(st.text("ACGT", min_size=1, max_size=25), st.text("ACGT", min_size=1, max_size=25)),
        min_size=1,
        max_size=30,
    ),
    quality=st.lists(qualities, min_size=25, max_size=25),
)
@settings(max_examples=50, deadline=None)
def test_a_cost_does_not_depend_on_its_batch(pairs: list[tuple[str, str]], quality: list[int]) -> None:
    batch = [(read, quality[: len(read)], haplotype, 2) for read, haplotype in pairs]
    assert batch_costs(batch, 3, 4) == [batch_costs([pair], 3, 4)[0] for pair in batch]


@pytest.mark.parametrize("wrong", [20, 40, 65])
def test_what_underflows_float32_is_told_by_float64(wrong: int) -> None:
    read, haplotype = "A" * 200, "C" * wrong + "A" * (200 - wrong)
    cost = one_cost(read, [40] * 200, haplotype)
    opening = reference.gap_open_qualities(haplotype)
    assert cost == pytest.approx(
        reference.cost(read, [40] * 200, haplotype, opening, opening, 0, 0, 0), rel=1e-5
    )
    # 10 log10 of the least normal float32 is 379.
    assert cost > wrong * 44 > 379


def test_what_even_float64_cannot_tell_has_the_greatest_cost() -> None:
    assert one_cost("A" * 400, [45] * 400, "C" * 400) == pairhmm.MAX_COST


def test_a_read_fits_its_own_haplotype_best() -> None:
    before, after = "GATTACAGGCTTCAGTACCGT", "CCGTAGGCATTGCAAGTCTGA"
    alleles = {"": 0.0, "TG": 0.0, "CAT": 0.0}
    for own in alleles:
        read = before + own + after
        costs = {
            other: one_cost(read, [35] * len(read), before + other + after, 0, 6, 6) for other in alleles
        }
        assert min(costs, key=lambda other: costs[other]) == own
        assert all(costs[other] > costs[own] + 30 for other in alleles if other != own)


def test_a_slip_of_a_repeat_costs_what_the_repeat_tells() -> None:
    flank, other_flank = "GATTACAGGCTTCAG", "CGTAGGCATTGCAAG"
    costs = []
    for units in (4, 8, 12, 16):
        haplotype = flank + "T" * units + other_flank
        read = flank + "T" * (units - 1) + other_flank
        costs.append(one_cost(read, [37] * len(read), haplotype, 0, 3, 3))
    expected = [45 - int(2.4 * (units - 3)) for units in (4, 8, 12, 16)]
    # Rounding of each base's share is half a phred at most; opening and closing cost 0.5 more.
    assert costs == pytest.approx(expected, abs=1.5)


@given(st.text("AC", max_size=40) | st.text("ACGTN", max_size=40))
def test_gap_qualities_equal_the_oracle(bases: str) -> None:
    assert pairhmm.gap_open_qualities(bases).tolist() == reference.gap_open_qualities(bases)
    assert pairhmm.pcr_gap_open_qualities(bases).tolist() == reference.pcr_gap_open_qualities(bases)


def test_the_pcr_model_gives_gatks_figures() -> None:
    # max(10, round(41 - exp(units / (3 pi)))) by hand.
    for units, quality in ((2, 40), (10, 38), (20, 33), (40, 33)):
        assert pairhmm.pcr_gap_open_qualities("G" + "A" * units + "C")[1] == quality


def test_what_does_not_fit_together_is_an_error() -> None:
    with pytest.raises(ValueError, match="another number of qualities"):
        as_reads(["ACG"], [[30, 30]])
    reads, haplotypes = as_reads(["ACG"], [[30] * 3]), as_haplotypes(["ACG"])
    zero = np.zeros(1, np.int32)
    with pytest.raises(ValueError, match="not there"):
        pairhmm.costs(reads, haplotypes, zero + 1, zero, zero, left=0, right=0)
    with pytest.raises(ValueError, match="a band of -1"):
        pairhmm.costs(reads, haplotypes, zero, zero, zero, left=-1, right=0)
    with pytest.raises(ValueError, match="as many reads"):
        pairhmm.costs(reads, haplotypes, zero, zero[:0], zero, left=0, right=0)
