"""Copies of human chromosomes by sex and assembly."""

from itertools import pairwise

import pytest

from baselake.compute.ploidy import is_sex_chromosome, ploidy_segments

GRCH37 = {"1": 249_250_621, "X": 155_270_560, "Y": 59_373_566, "MT": 16_569}
GRCH38 = {"chr1": 248_956_422, "chrX": 156_040_895, "chrY": 57_227_415, "chrM": 16_569}
CHM13 = {"chr1": 248_387_328, "chrX": 154_259_566, "chrY": 62_460_029, "chrM": 16_569}


def copies(lengths: dict[str, int], contig: str, sex: str | None, position: int) -> int:
    """Ploidy at a 1-based position."""
    (found,) = [s for s in ploidy_segments(contig, lengths, sex) if s.start < position <= s.end]
    return found.ploidy


@pytest.mark.parametrize(
    ("lengths", "x", "y", "par1", "par2"),
    [
        (GRCH37, "X", "Y", (60_001, 2_699_520), (154_931_044, 155_260_560)),
        (GRCH38, "chrX", "chrY", (10_001, 2_781_479), (155_701_383, 156_030_895)),
        (CHM13, "chrX", "chrY", (1, 2_394_410), (153_925_835, 154_259_566)),
    ],
)
def test_the_x_of_a_male_is_diploid_in_its_pseudo_autosomal_regions_only(
    lengths: dict[str, int], x: str, y: str, par1: tuple[int, int], par2: tuple[int, int]
) -> None:
    for first, last in (par1, par2):
        assert copies(lengths, x, "male", first) == copies(lengths, x, "male", last) == 2
        if first > 1:
            assert copies(lengths, x, "male", first - 1) == 1
        if last < lengths[x]:
            assert copies(lengths, x, "male", last + 1) == 1
    assert copies(lengths, x, "male", 50_000_000) == 1
    assert copies(lengths, y, "male", 20_000_000) == 1
    # The PAR of Y is the PAR of X, where it is reported.
    assert copies(lengths, y, "male", 1_000_000) == 0


def test_a_female_has_two_x_and_no_y() -> None:
    assert [s.ploidy for s in ploidy_segments("X", GRCH37, "female")] == [2]
    assert [s.ploidy for s in ploidy_segments("Y", GRCH37, "female")] == [0]


def test_unknown_sex_is_diploid() -> None:
    for contig in ("chrX", "chrY", "chr1"):
        assert [s.ploidy for s in ploidy_segments(contig, GRCH38, None)] == [2]


@pytest.mark.parametrize("sex", ["male", "female", None])
def test_the_mitochondrion_is_haploid(sex: str | None) -> None:
    assert [s.ploidy for s in ploidy_segments("MT", GRCH37, sex)] == [1]
    assert [s.ploidy for s in ploidy_segments("chrM", GRCH38, sex)] == [1]


@pytest.mark.parametrize("sex", ["male", "female", None])
@pytest.mark.parametrize("lengths", [GRCH37, GRCH38, CHM13])
def test_segments_tile_the_contig(lengths: dict[str, int], sex: str | None) -> None:
    for contig, length in lengths.items():
        segments = ploidy_segments(contig, lengths, sex)
        assert segments[0].start == 0
        assert segments[-1].end == length
        assert all(a.end == b.start for a, b in pairwise(segments))


def test_an_assembly_not_known_has_no_pseudo_autosomal_region() -> None:
    assert [s.ploidy for s in ploidy_segments("X", {"X": 1000}, "male")] == [1]


def test_only_x_and_y_are_sex_chromosomes() -> None:
    assert is_sex_chromosome("chrX")
    assert is_sex_chromosome("Y")
    assert not is_sex_chromosome("X_random")


def test_a_sex_that_is_neither_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        ploidy_segments("X", GRCH37, "M")
