"""A mitochondrion's alleles: their fractions, what is called and what is not, and the circle that it is."""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import pyarrow as pa
import pytest

from baselake.compute.mitochondrion import numt_fragments, with_doubts
from baselake.compute.pileup import DEFAULT_PARAMETERS, call_region, mixture_of_region
from baselake.compute.pileup.reference import Alignment, genotype_costs
from tests.compute.reads import as_bases, as_table, random_contig, reads_with

CONTIG = random_contig(3000, seed=7)
SITE, LENGTH = 1500, 100


def other(base: str) -> str:
    return "ACGT"["ACGT".index(base) - 1]


def mixed_reads(
    molecules: Sequence[tuple[Sequence[tuple[int, int, str]], int]], seed: int = 1, error: float = 0.001
) -> list[Alignment]:
    """So many reads of each kind of molecule around the site, with errors of quality 30."""
    rng = random.Random(seed)
    reads = []
    for which, (changes, count) in enumerate(molecules):
        starts: Iterable[int] = [SITE - rng.randrange(20, 80) for _ in range(count)]
        reads += reads_with(CONTIG, changes, starts=starts, label=f"m{which}-", quality=30)
    return [
        replace(read, seq="".join(rng.choice("ACGT") if rng.random() < error else base for base in read.seq))
        for read in reads
    ]


def mixture(reads: Iterable[Alignment], start: int = 0, end: int = len(CONTIG), **changed: float) -> pa.Table:
    parameters = replace(DEFAULT_PARAMETERS, **changed)
    return mixture_of_region(as_table(reads), as_bases(CONTIG), start, end, parameters=parameters).calls


SUBSTITUTION = (SITE, 1, other(CONTIG[SITE]))
DELETION = (SITE + 1, 3, "")


@pytest.mark.parametrize("change", [SUBSTITUTION, DELETION])
@pytest.mark.parametrize(
    ("depth", "fraction"), [(400, 0.1), (400, 0.5), (3000, 0.02), (3000, 0.3), (6000, 0.02), (6000, 0.97)]
)
def test_an_allele_is_called_with_its_fraction(
    change: tuple[int, int, str], depth: int, fraction: float
) -> None:
    carriers = round(depth * fraction)
    (row,) = mixture(mixed_reads([((), depth - carriers), ((change,), carriers)])).to_pylist()
    assert row["af"] == pytest.approx(fraction, abs=3 * math.sqrt(fraction * (1 - fraction) / depth) + 0.002)
    assert (row["gt"], row["alt_copies"], row["pl"], row["filters"]) == (
        "1" if fraction >= 0.95 else "0/1",
        1,
        None,
        [],
    )
    assert row["ad_ref"] + row["ad_alt"] == pytest.approx(row["dp"], rel=0.02)


def test_the_quality_is_how_much_worse_errors_explain_the_alternates() -> None:
    """One position, all bases of quality 30: the sums are written out."""
    reads = mixed_reads([((), 190), ((SUBSTITUTION,), 10)], error=0)
    (row,) = mixture(reads).to_pylist()
    n, k = row["dp"], row["ad_alt"]
    assert (n, k) == (200, 10)
    cost, f = 30 + 5, k / n
    carries = [read.name.startswith("m1") for read in reads]
    costs = [[cost, 0] if alternate else [0, cost] for alternate in carries]
    errors = genotype_costs(costs, [45] * n, [bool(read.flag & 16) for read in reads], 1)[0,]
    # What a misfit costs leaves a little of the likelihood to the other allele.
    mixed = -10 * k * math.log10(f + (1 - f) * 10 ** (-cost / 10))
    mixed -= 10 * (n - k) * math.log10(1 - f + f * 10 ** (-cost / 10))
    assert row["qual"] == pytest.approx(errors - mixed - 5 * math.log10(n) - 30 - 10, abs=0.05)


def test_errors_alone_are_no_allele() -> None:
    for seed in range(5):
        called = mixture(mixed_reads([((), 3000)], seed=seed, error=0.002))
        assert [row for row in called.to_pylist() if not row["filters"]] == []


def test_less_than_the_least_fraction_is_not_called() -> None:
    reads = mixed_reads([((), 2900), ((SUBSTITUTION,), 100)])
    assert mixture(reads, min_fraction=0.02).num_rows == 1
    assert mixture(reads, min_fraction=0.05).num_rows == 0


def test_alleles_of_one_site_have_a_row_each_beside_all_else() -> None:
    one, two = (base for base in "ACGT" if base not in (CONTIG[SITE], other(CONTIG[SITE])))
    reads = mixed_reads([((), 500), (((SITE, 1, one),), 300), (((SITE, 1, two),), 200)])
    rows = mixture(reads).to_pylist()
    assert {(row["alt"], row["gt"]) for row in rows} == {(one, "0/1"), (two, "0/1")}
    assert {row["alt"]: row["af"] for row in rows} == pytest.approx({one: 0.3, two: 0.2}, abs=0.02)


def test_alleles_of_one_molecule_and_of_several_are_told_apart() -> None:
    near = (SITE + 6, 1, other(CONTIG[SITE + 6]))
    reads = mixed_reads([((), 600), ((SUBSTITUTION, near), 300), ((near,), 100)])
    found = {row["start"]: row["af"] for row in mixture(reads).to_pylist()}
    assert found == pytest.approx({SITE: 0.3, near[0]: 0.4}, abs=0.03)


def test_a_bounded_depth_does_not_shift_the_fraction() -> None:
    reads = mixed_reads([((), 3600), ((SUBSTITUTION,), 400)])
    (row,) = mixture(reads, max_mixed_depth=500).to_pylist()
    assert row["dp"] < 500 * (1 + 32 / LENGTH)
    assert row["af"] == pytest.approx(0.1, abs=3 * math.sqrt(0.09 / row["dp"]))


def test_calls_depend_neither_on_row_order_nor_on_how_the_contig_is_cut() -> None:
    near = (SITE + 40, 0, "GT")
    reads = mixed_reads(
        [((), 400), ((SUBSTITUTION, near), 60), ((near,), 30), ((DELETION,), 100)], error=0.004
    )
    whole = mixture(reads)
    assert whole.num_rows >= 3
    random.Random(3).shuffle(reads)
    cuts = [0, SITE - 7, SITE, SITE + 1, SITE + 2, SITE + 33, len(CONTIG)]
    parts = [mixture(reads, start, end) for start, end in pairwise(cuts)]
    assert pa.concat_tables(parts).equals(whole)


def test_two_copies_at_great_depth_are_not_taken_for_one_error_that_all_share() -> None:
    """Beside two true alleles stands a third one, that nobody has on more than a few reads."""
    near = (SITE + 6, 1, other(CONTIG[SITE + 6]))
    reads = mixed_reads([((), 400), ((SUBSTITUTION,), 400), ((near,), 80)])
    rows = call_region(as_table(reads), as_bases(CONTIG), 0, len(CONTIG)).to_pylist()
    assert [(row["start"], row["gt"]) for row in rows if not row["filters"]] == [(SITE, "0/1")]


# The circle


def around_the_origin(changes: Sequence[tuple[int, int, str]]) -> list[Alignment]:
    """Reads over the last and the first base as bwa mem aligns them: the longer part, the other as supplementary."""
    reads = []
    for number, before in enumerate(range(5, LENGTH - 5)):
        for copy in range(4):
            seq = CONTIG[-before:] + CONTIG[: LENGTH - before]
            for position, _, new in changes:
                at = before + position if position < LENGTH else before - (len(CONTIG) - position)
                if 0 <= at < LENGTH:
                    seq = seq[:at] + new + seq[at + 1 :]
            after = LENGTH - before
            common = {"mapq": 60, "qual": "?" * LENGTH, "name": f"o{number}-{copy}", "duplicate": False}
            parts = [(len(CONTIG) - before, f"{before}M{after}S", before), (0, f"{before}S{after}M", after)]
            parts.sort(key=lambda part: -part[2])
            for (start, cigar, _), flag in zip(parts, (0, 0x800), strict=True):
                strand = 16 * (copy % 2)
                reads.append(Alignment(start=start, flag=flag | strand, cigar=cigar, seq=seq, **common))
    return reads


def test_reads_over_the_origin_are_no_variant_there() -> None:
    assert mixture(around_the_origin([])).num_rows == 0


@pytest.mark.parametrize("place", [3, 30, len(CONTIG) - 4, len(CONTIG) - 31])
def test_an_allele_beside_the_origin_is_seen_by_all_reads_over_it(place: int) -> None:
    reads = around_the_origin([(place, 1, other(CONTIG[place]))])
    (row,) = mixture(reads).to_pylist()
    over = sum(read.seq != around.seq for read, around in zip(reads, around_the_origin([]), strict=True)) // 2
    assert (row["start"], row["gt"], row["filters"]) == (place, "1", [])
    assert row["ad_alt"] == row["dp"] == pytest.approx(over, abs=1)
    assert over > 200


# What the reads there do not tell


@pytest.mark.parametrize("depth", [0.5, 1, 17.3, 30, 100, 240, 260, 1000])
def test_numt_fragments_are_the_99th_percentile_of_twice_the_depth(depth: float) -> None:
    mean, found = 2 * depth, numt_fragments(depth)

    def at_most(count: int) -> float:
        return sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))

    assert at_most(found) >= 0.989
    assert at_most(found - 2) < 0.99


def test_doubtful_calls_are_marked() -> None:
    calls = pa.table(
        {
            "start": [309, 400, 500],
            "ad_alt": [300, 78, 79 + 1],
            "filters": pa.array([[], ["low_qual"], []], pa.list_(pa.string())),
        }
    )
    assert numt_fragments(30) == 79
    doubted = with_doubts(calls, 16_569, 30)["filters"].to_pylist()
    assert doubted == [["artifact_prone_site"], ["low_qual", "possible_numt"], []]
    assert with_doubts(calls, 16_571, 0)["filters"].to_pylist() == calls["filters"].to_pylist()
