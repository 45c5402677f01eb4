"""The comparison with the truth, on cases whose answer is plain."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from baselake.demo.truth import Score, compare
from baselake.demo.variants import Allele

#         0         1         2         3         4
#         0123456789012345678901234567890123456789012345678
CONTIG = "GATTACAGGCTAACCCCCTGACGTTGCATCAGTACCATTGACCAGTTAC"
GENOME = {"c": np.frombuffer(CONTIG.encode() * 4, dtype=np.uint8)}


def allele(start: int, ref: str, alt: str, *copies: int) -> Allele:
    return Allele(contig="c", start=start, ref=ref, alt=alt, copies=copies)


def called(*rows: tuple[int, str, str, str]) -> pa.Table:
    """Rows of start, ref, alt and gt, as `calls` has them."""
    return pa.table(
        {
            "contig": ["c"] * len(rows),
            "start": pa.array([row[0] for row in rows], pa.int32()),
            "ref": pa.array([row[1] for row in rows], pa.string()),
            "alt": pa.array([row[2] for row in rows], pa.string()),
            "gt": pa.array([row[3] for row in rows], pa.string()),
            "alt_copies": pa.array([row[3].count("1") for row in rows], pa.int8()),
        }
    )


def score(kind: str, planted: Sequence[Allele], calls: pa.Table) -> Score:
    return next(one for one in compare(planted, calls, GENOME) if one.kind == kind)


SNV = allele(5, "C", "T", 0, 1)


@pytest.mark.parametrize(
    ("call", "found", "right", "wrong_genotype"),
    [
        ((5, "C", "T", "0/1"), 1, 1, 0),
        ((5, "C", "T", "1|0"), 1, 1, 0),
        ((5, "C", "T", "1/1"), 0, 0, 1),
        ((5, "C", "A", "0/1"), 0, 0, 0),
        ((100, "A", "C", "0/1"), 0, 0, 0),
    ],
)
def test_allele_and_genotype_must_agree(
    call: tuple[int, str, str, str], found: int, right: int, wrong_genotype: int
) -> None:
    result = score("snv", [SNV], called(call))
    assert (result.planted, result.called) == (1, 1)
    assert (result.found, result.right, result.wrong_genotype) == (found, right, wrong_genotype)
    assert (result.recall, result.precision) == (found, right)


def test_nothing_called_has_no_false_call() -> None:
    result = score("snv", [SNV], called())
    assert (result.recall, result.precision) == (0.0, 1.0)


def test_a_reference_call_is_no_call() -> None:
    assert score("snv", [SNV], called((5, "C", "T", "0/0"))).called == 0


def test_kinds_are_counted_apart() -> None:
    planted = [SNV, allele(12, "A", "AC", 1, 1), allele(49 + 18, "TG", "T", 1, 0)]
    calls = called((5, "C", "T", "0/1"), (12, "A", "AC", "1/1"), (49 + 18, "TG", "T", "0/1"))
    for result in compare(planted, calls, GENOME):
        assert (result.planted, result.found, result.right) == (1, 1, 1)


def test_another_spelling_of_the_same_haplotypes_is_right() -> None:
    # GACGT -> GCCGA: two SNVs, or one block.
    planted = [allele(20, "A", "C", 1, 0), allele(23, "T", "A", 1, 0)]
    result = score("snv", planted, called((20, "ACGT", "CCGA", "0/1")))
    assert (result.found, result.planted, result.right, result.called) == (2, 2, 1, 1)


def test_alleles_of_one_haplotype_split_over_two_are_right_by_allele() -> None:
    # On different copies: the phase of unphased calls is free.
    planted = [allele(20, "A", "C", 1, 0), allele(23, "T", "A", 0, 1)]
    result = score("snv", planted, called((20, "A", "C", "0/1"), (23, "T", "A", "0/1")))
    assert (result.found, result.right) == (2, 2)


def test_both_alternates_of_a_site_are_wanted() -> None:
    planted = [allele(12, "A", "AC", 1, 0), allele(12, "AC", "A", 0, 1)]
    both = called((12, "A", "AC", "1/2"), (12, "AC", "A", "1/2"))
    for kind in ("insertion", "deletion"):
        assert score(kind, planted, both).recall == 1.0
    one = called((12, "A", "AC", "0/1"))
    assert score("insertion", planted, one).recall == 1.0
    assert score("deletion", planted, one).recall == 0.0


def test_haploid_calls_are_compared_as_haploid() -> None:
    planted = [allele(5, "C", "T", 1)]
    assert score("snv", planted, called((5, "C", "T", "1"))).found == 1
    assert score("snv", planted, called((5, "C", "T", "1/1"))).found == 0


def test_a_miss_does_not_spoil_its_neighbours() -> None:
    planted = [allele(20, "A", "C", 1, 0), allele(23, "T", "A", 1, 1)]
    result = score("snv", planted, called((23, "T", "A", "1/1")))
    assert (result.found, result.right, result.called) == (1, 1, 1)
