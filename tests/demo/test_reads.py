"""A simulated run is what its truth and its qualities say."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from baselake.demo.fragments import Library
from baselake.demo.genome import ACGT, Bases
from baselake.demo.quality import HISEQ, NOVASEQ, QualityProfile, draw_qualities, quality_tables
from baselake.demo.reads import Run, simulate_run

NAME = re.compile(r"@BLSIM01:1:HBASELAKE:1:[12][12]0[1-8]:\d{4,5}:\d{4,5} ([12]):N:0:ATTACTCG")
# Neither copies nor slips, so that every read lies on the genome base by base.
PLAIN = Library(pcr_duplicates=0, optical_duplicates=0, slippage=0, gc_bias=0)


def random_genome(length: int) -> Bases:
    return ACGT[np.random.default_rng(5).integers(0, 4, length)]


def records(path: Path) -> list[tuple[str, str, str]]:
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    assert len(lines) % 4 == 0
    assert set(lines[2::4]) == {"+"}
    return list(zip(lines[::4], lines[1::4], lines[3::4], strict=True))


@pytest.fixture(scope="module")
def genome() -> Bases:
    return random_genome(20_000)


@pytest.fixture(scope="module")
def run(genome: Bases, tmp_path_factory: pytest.TempPathFactory) -> list[list[tuple[str, str, str]]]:
    folder = tmp_path_factory.mktemp("run")
    paths = simulate_run(folder, "S", [genome], [30], run=Run(read_length=100, library=PLAIN), seed=1)
    return [records(path) for path in paths]


def test_names_are_illuminas_and_mates_share_them(run: list[list[tuple[str, str, str]]]) -> None:
    first, last = run
    assert len(first) == len(last) == 20_000 * 30 // 200
    for (name, seq, qual), (mate, _, _) in zip(first, last, strict=True):
        mine, theirs = NAME.fullmatch(name), NAME.fullmatch(mate)
        assert mine is not None
        assert theirs is not None
        assert (mine[1], theirs[1]) == ("1", "2")
        assert name.split()[0] == mate.split()[0]
        assert len(seq) == len(qual) == 100


def test_reads_lie_on_the_genome_facing_each_other(
    genome: Bases, run: list[list[tuple[str, str, str]]]
) -> None:
    forward = genome.tobytes().decode()
    complement = str.maketrans("ACGT", "TGCA")

    def place(seq: str) -> tuple[int, bool] | None:
        """Where the first error-free 40 bases of the read are, and whether on the reverse strand."""
        at = forward.find(seq[:40])
        if at >= 0:
            return at, False
        at = forward.find(seq[:40].translate(complement)[::-1])
        return None if at < 0 else (at + 40, True)

    seen = 0
    for (_, left, _), (_, right, _) in zip(*run, strict=True):
        one, two = place(left), place(right)
        if one is None or two is None:
            continue
        seen += 1
        assert one[1] != two[1]
        plus, minus = (two, one) if one[1] else (one, two)
        assert 30 <= minus[0] - plus[0] <= 420 + 6 * 85
    assert seen > 0.8 * len(run[0])


@pytest.mark.parametrize("profile", [NOVASEQ, HISEQ], ids=lambda profile: profile.name)
def test_errors_come_at_the_rate_the_quality_says(tmp_path: Path, profile: QualityProfile) -> None:
    # Every fragment starts at one of two bases, so the true base of every cycle is known.
    genome = np.tile(ACGT, 500)
    library = Library(
        pcr_duplicates=0, optical_duplicates=0, slippage=0, gc_bias=0, mean_length=300, sd_length=40
    )
    run = Run(read_length=100, quality=profile, library=library)
    first, _ = simulate_run(tmp_path, "S", [genome], [1_000], run=run, seed=3)
    wrong = np.zeros(64, dtype=int)
    total = np.zeros(64, dtype=int)
    for _, seq, qual in records(first):
        bases = np.frombuffer(seq.encode(), dtype=np.uint8)
        quality = np.frombuffer(qual.encode(), dtype=np.uint8) - 33
        code = np.searchsorted(ACGT, bases)
        cycles = np.arange(100)
        # ACGT repeated reads as itself on both strands; the phase is what most bases agree on.
        phase = np.bincount((code - cycles) % 4, minlength=4).argmax()
        called = bases != ord("N")
        total += np.bincount(quality[called], minlength=64)
        wrong += np.bincount(quality[called & ((code - cycles) % 4 != phase)], minlength=64)
    for quality in np.flatnonzero(total * 10.0 ** (-np.arange(64) / 10) > 200):
        expected = total[quality] * 10 ** (-quality / 10)
        assert abs(wrong[quality] - expected) < 5 * expected**0.5 + 0.1 * expected


def test_qualities_fall_along_the_read_and_hold_together() -> None:
    first, last = draw_qualities(np.random.default_rng(2), quality_tables(HISEQ, 101), 4_000)
    assert first[:, 20:40].mean() > first[:, -20:].mean() + 4
    scores = (first - first.mean(axis=0)) / first.std(axis=0)
    assert 0.55 < (scores[:, :-1] * scores[:, 1:]).mean() < 0.85
    assert 0.25 < (scores[:, :-60] * scores[:, 60:]).mean() < 0.55
    assert last.mean() < 41


def test_a_binned_profile_reports_only_its_levels() -> None:
    assert set(np.unique(quality_tables(NOVASEQ, 151))) == {11, 25, 37}


def test_short_fragments_run_into_the_adapter(tmp_path: Path) -> None:
    library = Library(pcr_duplicates=0, optical_duplicates=0, slippage=0, mean_length=60, sd_length=1)
    run = Run(read_length=100, library=library)
    first, last = simulate_run(tmp_path, "S", [random_genome(5_000)], [20], run=run, seed=1)
    for path, adapter in ((first, "AGATCGGAAGAGCACACGTC"), (last, "AGATCGGAAGAGCGTCGTGT")):
        found = [adapter in seq for _, seq, _ in records(path)]
        assert sum(found) > 0.9 * len(found)


def test_duplicates_are_as_many_as_asked_and_optical_ones_are_near(tmp_path: Path) -> None:
    library = Library(pcr_duplicates=0, optical_duplicates=0.2)
    first, last = simulate_run(tmp_path, "S", [random_genome(50_000)], [20], run=Run(library=library), seed=1)
    places: dict[tuple[str, str], list[tuple[str, int, int]]] = {}
    for (name, left, _), (_, right, _) in zip(records(first), records(last), strict=True):
        _, _, _, _, tile, x, y = name.split()[0].split(":")
        places.setdefault((left[:30], right[:30]), []).append((tile, int(x), int(y)))
    copies = [group for group in places.values() if len(group) > 1]
    total = sum(map(len, places.values()))
    assert 0.1 < sum(len(group) - 1 for group in copies) / total < 0.25
    for group in copies:
        assert len({tile for tile, _, _ in group}) == 1
        for axis in (1, 2):
            values = [place[axis] for place in group]
            assert max(values) - min(values) < 100


def test_the_same_seed_writes_the_same_reads(tmp_path: Path) -> None:
    one = simulate_run(tmp_path / "one", "S", [random_genome(5_000)], [5], run=Run(), seed=7)
    two = simulate_run(tmp_path / "two", "S", [random_genome(5_000)], [5], run=Run(), seed=7)
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_no_read_comes_from_unknown_bases(tmp_path: Path) -> None:
    genome = np.concatenate((random_genome(5_000), np.full(5_000, ord("N"), dtype=np.uint8)))
    first, _ = simulate_run(tmp_path, "S", [genome], [20], run=Run(), seed=1)
    assert max(seq.count("N") for _, seq, _ in records(first)) < 5


def test_slippage_changes_long_homopolymers_only(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    left, right = ACGT[rng.integers(0, 4, 500)], ACGT[rng.integers(0, 4, 500)]
    left[-1], right[0] = ord("C"), ord("G")
    flanks = left[-12:].tobytes().decode(), right[:12].tobytes().decode()

    def changed(copies: int) -> float:
        genome = np.concatenate((left, np.full(copies, ord("A"), dtype=np.uint8), right))
        library = Library(pcr_duplicates=0, optical_duplicates=0, mean_length=400, sd_length=20)
        paths = simulate_run(tmp_path / str(copies), "S", [genome], [3_000], run=Run(library=library), seed=1)
        tract = re.compile(f"{flanks[0]}(A*){flanks[1]}")
        lengths = [
            len(found[1]) for path in paths for _, seq, _ in records(path) if (found := tract.search(seq))
        ]
        assert len(lengths) > 500
        return sum(length != copies for length in lengths) / len(lengths)

    assert changed(5) < 0.01
    assert 0.08 < changed(18) < 0.35
