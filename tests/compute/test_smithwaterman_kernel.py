"""The banded alignment on a GPU: every score and operation is the CPU's."""

import numpy as np
import pytest

from baselake.compute.device import Gpu
from baselake.compute.smithwaterman import HAPLOTYPE_SCORES, Scores, align
from baselake.compute.smithwaterman.launch import TILES, cpu_align, gpu_align

from ..cuda_emulation.device import Machine
from ..cuda_emulation.sanitized import run_sanitized
from .smithwaterman_cases import laid_out, random_pairs, same

SCORES = (
    HAPLOTYPE_SCORES,
    Scores(match=10, mismatch=-15, open=-30, extend=-5),
    Scores(match=1, mismatch=-4, open=-6, extend=-1),
)


@pytest.mark.parametrize("slack", [0, 1, 4, 10, 30])
def test_alignments_equal_the_cpus(gpu: Gpu, slack: int) -> None:
    for number, scores in enumerate(SCORES):
        pairs = random_pairs(10 * slack + number, 670)
        expected = cpu_align(pairs, slack=slack, scores=scores)
        assert same(gpu_align(gpu, pairs, slack=slack, scores=scores), expected)
        assert len(expected.ops) > len(expected.scores)  # gaps were found


def test_haplotypes_equal_the_cpus(gpu: Gpu) -> None:
    # As the caller has them: a few hundred bases, the window of a region, insertions of up to 500.
    pairs = random_pairs(1, 60, longest=600)
    assert same(gpu_align(gpu, pairs, slack=30), cpu_align(pairs, slack=30))


@pytest.mark.parametrize(("columns", "group"), TILES)
def test_a_tile_holds_its_widest_band(columns: int, group: int) -> None:
    width = columns * group
    rng = np.random.default_rng(width)
    core = "".join(rng.choice(list("ACGT"), 40))
    fresh = "".join(rng.choice(list("ACGT"), width - 21))
    # Bands of exactly this width: an insertion and a deletion as long as it allows.
    pairs = laid_out([core[:20] + fresh + core[20:], core], [core[:20] + fresh + core[20:], core])
    machine = Machine()
    found = gpu_align(Gpu(machine.module, 0), pairs, slack=10)
    assert machine.launched == [f"smithwaterman_{columns}_{group}"]
    assert same(found, cpu_align(pairs, slack=10))
    assert found.scores[0] == 40 * 200 - 260 - 11 * (width - 22)


def test_bands_wider_than_any_tile_are_aligned_too(gpu: Gpu) -> None:
    core = "GATTACAGGCTTCAGTACCGT"
    pairs = laid_out([core, core + "AC" * 600, core], [core, core, core + "AC" * 600])
    assert same(gpu_align(gpu, pairs, slack=30), cpu_align(pairs, slack=30))


def test_operations_are_those_of_the_cigar(gpu: Gpu) -> None:
    left, right = "GATTACAGGCTTCAGTACCGT", "CCGTAGGCATTGCAAGTCTGA"
    queries, targets = (
        [left + "TTGACCATGCA" * 5 + right, left + right],
        [left + right, left + "ACGTT" + right],
    )
    found = gpu_align(gpu, laid_out(queries, targets[::-1]), slack=10)
    ops = [f"{op >> 2}{'MID'[op & 3]}" for op in found.ops.tolist()]
    cigars = ["".join(ops[a:b]) for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True)]
    assert cigars == [one.cigar for one in align(queries, targets, slack=10)]


def test_alignments_do_not_depend_on_the_memory() -> None:
    pairs = random_pairs(5, 300)
    plenty, scarce = Machine(), Machine(memory=200_000)
    expected = gpu_align(Gpu(plenty.module, 0), pairs, slack=10)
    assert same(gpu_align(Gpu(scarce.module, 0), pairs, slack=10), expected)
    assert len(scarce.launched) > len(plenty.launched)


def test_no_kernel_reaches_beyond_its_memory() -> None:
    done = run_sanitized("tests.compute.smithwaterman_cases", "compare_sanitized")
    assert done.returncode == 0, done.stderr
