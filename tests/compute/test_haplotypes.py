"""What the haplotype caller adds to a pileup: assembly, phases, ploidies, and the blocks between calls."""

from bisect import bisect_right
from dataclasses import replace

import numpy as np
import pytest

from baselake.compute import pileup
from baselake.compute.pileup import GQ_BANDS, genotype_region, reference
from tests.compute.reads import as_bases, as_table, random_contig, reads_with
from tests.compute.test_pileup import CONTIG, MIDDLE, alleles, call, noisy_sample, other


@pytest.mark.parametrize(("ploidy", "copies"), [(3, 1), (3, 2), (4, 1), (4, 3), (4, 4), (6, 2)])
@pytest.mark.parametrize("change", [(MIDDLE, 1, "-"), (MIDDLE, 0, "GAT"), (MIDDLE, 3, "")])
def test_any_ploidy_is_genotyped(ploidy: int, copies: int, change: tuple[int, int, str]) -> None:
    position, replaced, new = change
    new = other(CONTIG[position]) if new == "-" else new
    starts = range(MIDDLE - 160, MIDDLE + 100, 3)
    reads = []
    for copy in range(ploidy):
        changes = [(position, replaced, new)] if copy < copies else []
        reads += reads_with(CONTIG, changes, starts=starts, label=f"c{copy}-")
    (row,) = call(as_table(reads), ploidy=ploidy).to_pylist()
    assert row["gt"] == "/".join("0" * (ploidy - copies) + "1" * copies)
    assert row["alt_copies"] == copies
    assert len(row["pl"]) == ploidy + 1
    assert row["pl"][copies] == 0
    assert row["gq"] > 20


def test_three_alleles_of_a_tetraploid() -> None:
    ref = CONTIG[MIDDLE]
    one, two = (base for base in "ACGT" if base != ref and base != other(ref))
    starts = range(MIDDLE - 160, MIDDLE + 100, 3)
    reads = []
    for copy, base in enumerate((ref, one, one, two)):
        reads += reads_with(
            CONTIG, [(MIDDLE, 1, base)] if base != ref else [], starts=starts, label=f"c{copy}"
        )
    rows = {row["alt"]: row for row in call(as_table(reads), ploidy=4).to_pylist()}
    assert rows[one]["gt"] == "0/1/1/2"
    assert rows[two]["gt"] == "0/1/2/2"
    # VCF's order of 15 genotypes: 0000 0001 0011 0111 1111 0002 0012 0112 1112 0022 0122 ...
    assert len(rows[one]["site_pl"]) == 15
    assert rows[one]["site_pl"].index(0) == (7 if rows[one]["allele_index"] == 1 else 10)


def clipped(contig: str, at: int, deleted: int, inserted: str, label: str) -> list[reference.Alignment]:
    """Reads of a haplotype with one long change, aligned as far as they match and clipped beyond it."""
    planted = contig[:at] + inserted + contig[at + deleted :]
    (template,) = reads_with(contig, [], starts=[0])
    reads = []
    for number, start in enumerate(range(at - 150, at + len(inserted) + 50, 4)):
        left, right = max(0, min(100, at - start)), max(0, min(100, start + 100 - at - len(inserted)))
        placed = start + deleted - len(inserted) if right > left else start
        if right > left and right < 100:
            placed, cigar = at + deleted, f"{100 - right}S{right}M"
        elif left >= right and 20 < left < 100:
            cigar = f"{left}M{100 - left}S"
        elif max(left, right) == 100:
            cigar = "100M"
        else:
            continue
        seq = planted[start : start + 100]
        flag = 16 * (number % 2)
        reads.append(
            replace(template, start=placed, cigar=cigar, seq=seq, name=f"{label}{number}", flag=flag)
        )
    return reads


@pytest.mark.parametrize(
    ("deleted", "inserted"),
    [(0, random_contig(40, 7)), (0, random_contig(70, 8)), (60, ""), (90, ""), (45, random_contig(12, 9))],
)
def test_what_only_soft_clips_show_is_assembled(deleted: int, inserted: str) -> None:
    starts = range(MIDDLE - 160, MIDDLE + 150, 4)
    reads = reads_with(CONTIG, [], starts=starts, label="ref")
    table = as_table(reads + clipped(CONTIG, MIDDLE, deleted, inserted, "alt"))
    called = alleles(call(table))
    spelled, shift = CONTIG, 0
    for start, ref, alt, gt in called:
        assert gt in ("0/1", "0|1")
        spelled = spelled[: start + shift] + alt + spelled[start + shift + len(ref) :]
        shift += len(alt) - len(ref)
    assert spelled == CONTIG[:MIDDLE] + inserted + CONTIG[MIDDLE + deleted :]


def test_an_assembly_calls_nothing_that_a_neighbour_calls() -> None:
    far = MIDDLE + 70
    alt = other(CONTIG[far])
    starts = range(MIDDLE - 160, MIDDLE + 150, 4)
    reads = reads_with(CONTIG, [], starts=starts, label="ref")
    planted = CONTIG[:far] + alt + CONTIG[far + 1 :]
    called = alleles(call(as_table(reads + clipped(planted, MIDDLE, 0, random_contig(40, 7), "alt"))))
    assert [(start, allele) for start, _, allele, _ in called if start == far] == [(far, alt)]
    assert len(called) == 2


def phases(reads: list[reference.Alignment], contig: str = CONTIG) -> list[tuple[str, int | None]]:
    return [(row["gt"], row["ps"]) for row in call(as_table(reads), contig).to_pylist()]


def test_sites_of_one_region_are_phased_by_the_reads_that_link_them() -> None:
    starts = range(MIDDLE - 160, MIDDLE + 100, 3)
    one, two = ((at, 1, other(CONTIG[at])) for at in (MIDDLE, MIDDLE + 6))
    reads = {
        "none": reads_with(CONTIG, [], starts=starts, label="n"),
        "both": reads_with(CONTIG, [one, two], starts=starts, label="b"),
        "first": reads_with(CONTIG, [one], starts=starts, label="f"),
        "second": reads_with(CONTIG, [two], starts=starts, label="s"),
    }
    assert phases(reads["none"] + reads["both"]) == [("0|1", MIDDLE + 1)] * 2
    trans = phases(reads["first"] + reads["second"])
    assert {gt for gt, _ in trans} == {"0|1", "1|0"}
    assert [ps for _, ps in trans] == [MIDDLE + 1] * 2
    # A homozygous site has no phase, and one heterozygous site alone none to share.
    assert phases(reads["first"] + reads["both"]) == [("1/1", None), ("0/1", None)]
    # Reads that contradict one another tell no phase.
    assert {ps for _, ps in phases([read for some in reads.values() for read in some])} == {None}


def test_sites_that_no_read_links_are_not_phased() -> None:
    one, two = ((at, 1, other(CONTIG[at])) for at in (MIDDLE, MIDDLE + 8))
    left, right = range(MIDDLE - 42, MIDDLE - 20, 2), range(MIDDLE + 3, MIDDLE + 8)
    reads = []
    for label, first, second in (("r", [], []), ("a", [one], [two])):
        # From the left reads end before the second site, from the right they begin behind the first.
        reads += reads_with(CONTIG, first, starts=[*left] * 2, length=25, label=f"{label}l")
        reads += reads_with(CONTIG, second, starts=[*right] * 3, length=60, label=f"{label}r")
    reads = [read for read in reads if read.start + len(read.seq) <= MIDDLE + 8 or read.start > MIDDLE]
    found = call(as_table(reads)).to_pylist()
    assert [(row["start"], row["gt"], row["ps"]) for row in found] == [
        (MIDDLE, "0/1", None),
        (MIDDLE + 8, "0/1", None),
    ]


@pytest.mark.parametrize("seed", [4, 5])
def test_calls_and_blocks_cover_every_base_once_however_the_contig_is_cut(seed: int) -> None:
    contig, reads = noisy_sample(seed)
    reads = [read for read in reads if not 900 <= read.start < 1100]
    contig = contig[:50] + "N" * 7 + contig[57:]
    table, bases = as_table(reads), as_bases(contig)
    whole = genotype_region(table, bases, 0, len(contig))
    covered = np.zeros(len(contig), int)
    for row in whole.calls.to_pylist():
        covered[row["start"] : row["start"] + len(row["ref"])] = 1
    states = {}
    for row in whole.blocks.to_pylist():
        covered[row["start"] : row["end"]] += 1
        for at in range(row["start"], row["end"]):
            states[at] = (row["gap"], bisect_right(GQ_BANDS, row["gq"]))
    assert covered.tolist() == [1] * len(contig)
    assert {pileup.GAPS[row["gap"]] for row in whole.blocks.to_pylist()} == set(pileup.GAPS)
    assert all(states[at][0] == 2 for at in range(50, 57))
    for size in (333, 1000):
        cut = {}
        for at in range(0, len(contig), size):
            part = genotype_region(table, bases, at, min(at + size, len(contig)))
            for row in part.blocks.to_pylist():
                assert at <= row["start"] < row["end"] <= at + size
                cut |= dict.fromkeys(
                    range(row["start"], row["end"]), (row["gap"], bisect_right(GQ_BANDS, row["gq"]))
                )
        assert cut == states


def test_a_block_is_as_sure_as_its_fragments_make_it() -> None:
    starts = [MIDDLE] * 20
    reads = as_table(reads_with(CONTIG, [], starts=starts))
    (block,) = genotype_region(reads, as_bases(CONTIG), MIDDLE, MIDDLE + 100).blocks.to_pylist()
    # Twenty fragments, each of one copy in two: 20 x 10 log10 2.
    assert (block["gq"], block["min_dp"], block["dp_sum"]) == (60, 20, 2000)
    (haploid,) = genotype_region(reads, as_bases(CONTIG), MIDDLE, MIDDLE + 100, ploidy=1).blocks.to_pylist()
    assert haploid["gq"] == 99
    # One fragment that differs, of quality 35.
    (odd,) = reads_with(CONTIG, [(MIDDLE + 50, 1, other(CONTIG[MIDDLE + 50]))], starts=[MIDDLE], label="odd")
    reads = as_table([*reads_with(CONTIG, [], starts=starts), odd])
    blocks = genotype_region(reads, as_bases(CONTIG), MIDDLE, MIDDLE + 100).blocks.to_pylist()
    assert [(b["start"] - MIDDLE, b["end"] - MIDDLE, b["gq"]) for b in blocks] == [
        (0, 50, 63),
        (50, 51, 28),
        (51, 100, 63),
    ]


def test_neighbouring_substitutions_are_no_reason_against_a_cluster() -> None:
    """Two that are judged together, and others that are judged apart but lie on the same reads."""
    places = [MIDDLE - 22, MIDDLE - 13, MIDDLE, MIDDLE + 5, MIDDLE + 18, MIDDLE + 26]
    changes = [(place, 1, other(CONTIG[place])) for place in places]
    rows = call(as_table(reads_with(CONTIG, changes, starts=range(MIDDLE - 150, MIDDLE + 60, 3)))).to_pylist()
    assert [(row["start"], row["gt"], row["filters"]) for row in rows] == [
        (place, "1/1", []) for place in places
    ]
    assert min(row["dp"] for row in rows) >= 25


def repeat_of(unit: str, units: int) -> str:
    """A contig with a tandem repeat in the middle, which neither side prolongs."""
    return CONTIG[:MIDDLE] + "GGTCG" + unit * units + "GGTCG" + CONTIG[MIDDLE:]


def slipped(unit: str, units: int, lengths: dict[int, int]) -> list[reference.Alignment]:
    """Reads across the repeat: how many of them have so many units more (negative: less)."""
    contig, at = repeat_of(unit, units), MIDDLE + 5
    reads: list[reference.Alignment] = []
    for change, count in lengths.items():
        gained, lost = unit * max(0, change), len(unit) * max(0, -change)
        changes = [(at, lost, gained)] if change else []
        starts = [at - 20 - k % 15 for k in range(count)]
        reads += reads_with(contig, changes, starts=starts, label=f"{change}.", length=110)
    return reads


@pytest.mark.parametrize(
    ("unit", "units", "lengths", "expected"),
    [
        # A long repeat slips: what three of fifteen reads show is no second allele,
        ("CA", 18, {2: 12, 1: 3}, [("G", "GCACA", "1/1")]),
        ("CA", 18, {0: 12, 1: 3}, []),
        ("ACAT", 14, {0: 13, -1: 2}, []),
        # but what half of them show is one.
        ("CA", 18, {2: 8, 1: 8}, [("G", "GCA", "2/1"), ("G", "GCACA", "2/1")]),
        ("CA", 18, {0: 8, 1: 8}, [("G", "GCA", "0/1")]),
        ("ACAT", 14, {0: 8, -1: 8}, [("GACAT", "G", "0/1")]),
        # A short one does not.
        ("CA", 4, {0: 12, 1: 5}, [("G", "GCA", "0/1")]),
    ],
)
def test_long_repeats_slip(
    unit: str, units: int, lengths: dict[int, int], expected: list[tuple[str, str, str]]
) -> None:
    contig = repeat_of(unit, units)
    found = call(as_table(slipped(unit, units, lengths)), contig).to_pylist()
    called = [(row["ref"], row["alt"], row["gt"].replace("|", "/")) for row in found if not row["filters"]]
    assert [(ref, alt) for ref, alt, _ in called] == [(ref, alt) for ref, alt, _ in expected]
    assert [sorted(gt) for *_, gt in called] == [sorted(gt) for *_, gt in expected]


@pytest.mark.parametrize(
    ("unit", "units", "expected"),
    [
        # Shares of such repeats that vary in HG001, phred, and 4 for one unit gained.
        ("A", 8, 18.5 + 4),
        ("A", 12, 7.5 + 4),
        ("CA", 6, 19.4 + 4),
        ("ACTC", 4, 17.6 + 4),
        ("ACTC", 8, 5 + 4),
        # Two copies are no repeat: 1/8000.
        ("ACTC", 2, 39),
    ],
)
def test_the_longer_a_repeat_the_likelier_it_varies(unit: str, units: int, expected: float) -> None:
    contig = repeat_of(unit, units)
    (row,) = call(as_table(slipped(unit, units, {0: 9, 1: 9})), contig).to_pylist()
    # QUAL weighs the reads' evidence against the reference (PL) with what was to be expected.
    assert row["pl"][0] - row["qual"] == pytest.approx(expected, abs=1)
