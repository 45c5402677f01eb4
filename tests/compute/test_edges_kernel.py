"""Tables of k-mers on a GPU: every edge and count is the CPU's."""

import numpy as np
import pytest

from baselake.compute.assembly.launch import MAX_K, Edges, cpu_edges, gpu_edges
from baselake.compute.device import Gpu
from baselake.compute.pairhmm import as_reads
from baselake.compute.pairhmm.layout import Reads

from ..cuda_emulation.device import Machine
from ..cuda_emulation.sanitized import run_sanitized


def random_reads(seed: int, regions: int) -> tuple[Reads, np.ndarray]:
    """Pieces of a few sequences, some of repeats, with errors, bases that are none, and low qualities."""
    rng = np.random.default_rng(seed)
    bases, qualities, bounds = [], [], [0]
    for _ in range(regions):
        source = rng.choice(list("ACGT" if rng.random() < 0.7 else "AC"), 120)
        for _ in range(int(rng.integers(0, 12))):
            start = int(rng.integers(0, 100))
            read = source[start : start + int(rng.integers(0, 110))].copy()
            wrong = rng.random(len(read)) < 0.02
            read[wrong] = rng.choice(list("ACGTN"), int(wrong.sum()))
            bases.append("".join(read))
            qualities.append(
                rng.choice([2, 9, 10, 30, 40], len(read), p=[0.01, 0.01, 0.08, 0.4, 0.5]).tolist()
            )
        bounds.append(len(bases))
    return as_reads(bases, qualities), np.array(bounds, np.int32)


def same(one: Edges, other: Edges) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in Edges.__slots__)


@pytest.mark.parametrize("k", [1, 10, 25, 31, 32, 35, 55, MAX_K])
def test_edges_equal_the_cpus(gpu: Gpu, k: int) -> None:
    reads, regions = random_reads(k, 200)
    expected = cpu_edges(reads, regions, k=k, least_quality=10)
    assert expected.count.max() > 1  # reads share what they have
    assert same(gpu_edges(gpu, reads, regions, k=k, least_quality=10), expected)


def test_an_edge_is_spelled_two_bits_a_base(gpu: Gpu) -> None:
    reads = as_reads(["ACGTA", "CGTAN", "AAC"], [[30] * 5, [30] * 5, [30, 9, 30]])
    found = gpu_edges(gpu, reads, np.array([0, 2, 3], np.int32), k=3, least_quality=10)
    assert found.region.tolist() == [0, 0]
    assert found.low.tolist() == [0b00_01_10_11, 0b01_10_11_00]  # ACGT, CGTA
    assert found.count.tolist() == [1, 2]
    assert not found.high.any()


def test_edges_do_not_depend_on_the_memory() -> None:
    reads, regions = random_reads(3, 100)
    scarce = Machine(memory=1_500_000)
    found = gpu_edges(Gpu(scarce.module, 0), reads, regions, k=10, least_quality=10)
    assert same(found, cpu_edges(reads, regions, k=10, least_quality=10))
    assert len(scarce.launched) > 2


def test_no_reads_have_no_edges(gpu: Gpu) -> None:
    reads, regions = random_reads(1, 0)
    for bounds in (regions, np.zeros(4, np.int32)):
        assert len(gpu_edges(gpu, reads, bounds, k=10, least_quality=10).count) == 0


def test_k_is_bounded() -> None:
    reads, regions = random_reads(1, 1)
    with pytest.raises(ValueError, match="k-mers of 64 bases"):
        gpu_edges(Gpu(Machine().module, 0), reads, regions, k=64, least_quality=10)


def compare_sanitized() -> None:
    """For a process that AddressSanitizer watches."""
    reads, regions = random_reads(5, 5)
    found = gpu_edges(Gpu(Machine(sanitized=True).module, 0), reads, regions, k=25, least_quality=10)
    assert same(found, cpu_edges(reads, regions, k=25, least_quality=10))


def test_no_kernel_reaches_beyond_its_memory() -> None:
    done = run_sanitized(__name__, "compare_sanitized")
    assert done.returncode == 0, done.stderr
