"""Local assembly: it equals its oracle, finds what is planted, and its cost is bounded."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselake.compute.assembly import AssemblyLimits, assemble, reference
from baselake.compute.pairhmm import as_reads


def tiles(haplotype: str, length: int, step: int) -> list[str]:
    return [haplotype[at : at + length] for at in range(0, len(haplotype) - length + 1, step)]


def assembled(target: str, reads: list[str], **limits: int) -> list[str]:
    given_ = as_reads(reads, [[35] * len(read) for read in reads])
    return [one.bases for one in assemble(target, given_, limits=AssemblyLimits(**limits))]


def edited(target: str, edits: list[tuple[int, int, str]]) -> str:
    for at, deleted, inserted in sorted(edits, reverse=True):
        target = target[:at] + inserted + target[at + deleted :]
    return target


random_contigs = st.integers(0, 2**32 - 1).map(
    lambda seed: "".join(random.Random(seed).choices("ACGT", k=90))
)


@given(
    target=random_contigs,
    edits=st.lists(
        st.tuples(st.integers(12, 75), st.integers(0, 3), st.text("ACGT", max_size=4)), max_size=3
    ),
    length=st.integers(20, 45),
    step=st.integers(1, 5),
    wrong=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 44), st.sampled_from("ACGT")), max_size=6),
    poor=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 44)), max_size=6),
)
@settings(max_examples=60, deadline=None)
def test_haplotypes_equal_the_oracle(
    target: str,
    edits: list[tuple[int, int, str]],
    length: int,
    step: int,
    wrong: list[tuple[int, int, str]],
    poor: list[tuple[int, int]],
) -> None:
    reads = tiles(target, length, step) + tiles(edited(target, edits), length, step)
    for number, at, base in wrong:
        read = reads[number % len(reads)]
        reads[number % len(reads)] = read[: at % length] + base + read[at % length + 1 :]
    qualities = [[35] * len(read) for read in reads]
    for number, at in poor:
        qualities[number % len(reads)][at % length] = 5
    expected = reference.assemble(target, reads, qualities)
    limits = AssemblyLimits(max_haplotypes=4096)
    found = {one.bases: one.cost for one in assemble(target, as_reads(reads, qualities), limits=limits)}
    assert found == pytest.approx(expected)


@given(
    seed=st.integers(0, 2**32 - 1),
    edit=st.tuples(st.integers(120, 180), st.integers(0, 60), st.text("ACGT", max_size=60)),
)
@settings(max_examples=60, deadline=None)
def test_planted_haplotypes_are_recovered(seed: int, edit: tuple[int, int, str]) -> None:
    target = "".join(random.Random(seed).choices("ACGT", k=300))
    planted = edited(target, [edit])
    assert planted in assembled(target, tiles(target, 100, 7) + tiles(planted, 100, 7))


def test_reads_that_end_soon_after_a_variant_are_joined() -> None:
    target = "".join(random.Random(4).choices("ACGT", k=200))
    planted = edited(target, [(100, 1, "ACGT"["ACGT".index(target[100]) - 1])])
    # No read of the variant goes more than 15 bases beyond it: k-mers of 25 never meet the reference again.
    left = [planted[at:115] for at in range(20, 60, 4)]
    right = [planted[86:at] for at in range(140, 180, 4)]
    for loose in (left, right):
        assert planted in assembled(target, tiles(target, 60, 5) + loose)


def test_a_repeat_longer_than_k_is_assembled_with_a_longer_one() -> None:
    rng = random.Random(8)
    flank, other = ("".join(rng.choices("ACGT", k=80)) for _ in range(2))
    target = flank + "CAG" * 11 + other
    planted = flank + "CAG" * 9 + other
    reads = tiles(target, 90, 3) + tiles(planted, 90, 3)
    assert planted in assembled(target, reads)


def test_the_reference_comes_first_and_errors_do_not_come_at_all() -> None:
    rng = random.Random(1)
    target = "".join(rng.choices("ACGT", k=200))
    reads = tiles(target, 80, 2)
    noisy = [edited(read, [(rng.randrange(20, 60), 1, rng.choice("ACGT"))]) for read in reads]
    assert assembled(target, reads) == [target]
    assert assembled(target, reads + noisy[::7])[0] == target
    assert assembled(target, []) == [target]


def test_many_variants_cost_no_more_than_allowed() -> None:
    rng = random.Random(2)
    target = "".join(rng.choices("ACGT", k=400))
    reads = []
    for _ in range(300):
        edits = [(at, 1, rng.choice("ACGT")) for at in range(15, 390, 12)]
        reads += [edited(target, edits)] * 2
    found = assembled(target, reads, max_haplotypes=8)
    assert len(found) == 8
    assert found[0] == target


def test_a_reference_that_cannot_be_assembled_is_given_back() -> None:
    for target in ("A" * 300, "ACGTN" * 60, "ACG"):
        assert assembled(target, [target] * 4) == [target]
    with pytest.raises(ValueError, match="the reference is one"):
        assembled("ACGT", [], max_haplotypes=0)
