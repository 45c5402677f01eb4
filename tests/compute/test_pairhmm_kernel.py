"""The PairHMM on a GPU: every cost is the CPU's, whatever the tile, the batch and the memory."""

from dataclasses import replace

import numpy as np
import pytest

from baselake.compute import pairhmm
from baselake.compute.device import DeviceLostError, Gpu
from baselake.compute.pairhmm.launch import COLUMNS, GROUPS, gpu_costs
from baselake.compute.pairhmm.layout import Pairs

from ..cuda_emulation.device import Machine
from ..cuda_emulation.sanitized import run_sanitized
from .pairhmm_cases import TOLERANCE, cpu_costs, random_batch


@pytest.mark.parametrize("seed", range(4))
def test_costs_equal_the_cpus(gpu: Gpu, seed: int) -> None:
    batch = random_batch(seed, 2500)
    expected = cpu_costs(*batch)
    assert np.abs(gpu_costs(gpu, *batch) - expected).max() <= TOLERANCE
    # Both passes were needed, and pairs that neither can tell were among them.
    assert (expected > 400).sum() > 10


def test_long_reads_equal_the_cpus(gpu: Gpu) -> None:
    batch = random_batch(9, 200, longest=320)
    assert np.abs(gpu_costs(gpu, *batch) - cpu_costs(*batch)).max() <= TOLERANCE


@pytest.mark.parametrize("width", [1, 2, *(COLUMNS * group for group in GROUPS)])
def test_a_tile_holds_its_widest_band(gpu: Gpu, width: int) -> None:
    # Gaps as long as the band allows, either way: what leaves it by one base is cut off as on the CPU.
    flank, other = "GATTACAGGCTTCAG", "CGTAGGCATTGCAAGTCC"
    haplotypes = pairhmm.as_haplotypes([flank + "ACGTTGCA" * 40 + other, flank + other])
    reads = pairhmm.as_reads(
        [flank + "ACGTTGCA" * n + other for n in (0, 1, 3, 30)], [[30] * (33 + 8 * n) for n in (0, 1, 3, 30)]
    )
    pairs = [(r, h, left) for r in range(4) for h in range(2) for left in {0, width // 2, width - 1}]
    read, haplotype, left = (np.array(column, np.int32) for column in zip(*pairs, strict=True))
    batch = Pairs(
        read=read,
        haplotype=haplotype,
        diagonal=np.zeros(len(pairs), np.int32),
        left=left,
        right=width - 1 - left,
    )
    found = gpu_costs(gpu, reads, haplotypes, batch)
    assert np.abs(found - cpu_costs(reads, haplotypes, batch)).max() <= TOLERANCE


def test_what_neither_precision_can_tell_has_the_greatest_cost(gpu: Gpu) -> None:
    reads = pairhmm.as_reads(["A" * 400, "A" * 200, "ACGT", ""], [[45] * 400, [40] * 200, [30] * 4, []])
    haplotypes = pairhmm.as_haplotypes(["C" * 400])
    zero = np.zeros(4, np.int32)
    pairs = Pairs(read=np.arange(4, dtype=np.int32), haplotype=zero, diagonal=zero, left=zero, right=zero)
    found = gpu_costs(gpu, reads, haplotypes, pairs)
    assert found[0] == pairhmm.MAX_COST
    assert found[3] == 0
    assert np.abs(found - cpu_costs(reads, haplotypes, pairs)).max() <= TOLERANCE


def test_no_pairs_are_no_work(gpu: Gpu) -> None:
    reads, haplotypes, pairs = random_batch(1, 8)
    assert len(gpu_costs(gpu, reads, haplotypes, pairs.some(slice(0, 0)))) == 0


def test_costs_do_not_depend_on_the_memory() -> None:
    batch = random_batch(5, 600)
    plenty, scarce = Machine(), Machine(memory=60_000)
    expected = gpu_costs(Gpu(plenty.module, 0), *batch)
    assert np.array_equal(gpu_costs(Gpu(scarce.module, 0), *batch), expected)
    assert len(scarce.launched) > len(plenty.launched)
    assert scarce.most <= scarce.memory


def test_a_device_too_small_for_one_pair_is_given_up() -> None:
    with pytest.raises(DeviceLostError, match="has not the memory for one item"):
        gpu_costs(Gpu(Machine(memory=2_000).module, 0), *random_batch(5, 10))


def test_a_lost_device_is_known_to_be_lost() -> None:
    machine = Machine()
    gpu = Gpu(machine.module, 0)
    machine.lost_after = 20
    with pytest.raises(DeviceLostError, match=r"gpu:0 failed: .*fell off the bus"):
        gpu_costs(gpu, *random_batch(5, 100))
    assert gpu.lost
    with pytest.raises(DeviceLostError, match="fell off the bus"):
        gpu_costs(gpu, *random_batch(5, 100))


def test_every_tile_of_both_precisions_is_used() -> None:
    machine = Machine()
    reads, haplotypes, pairs = random_batch(11, 600, longest=120)
    hopeless = replace(pairs, diagonal=pairs.diagonal - 2000)
    found = gpu_costs(Gpu(machine.module, 0), reads, haplotypes, hopeless)
    expected = {f"pairhmm_{name}_{group}" for name in ("float", "double") for group in GROUPS}
    assert set(machine.launched) >= expected
    assert np.abs(found - cpu_costs(reads, haplotypes, hopeless)).max() <= TOLERANCE


def test_no_kernel_reaches_beyond_its_memory() -> None:
    done = run_sanitized("tests.compute.pairhmm_cases", "compare_sanitized")
    assert done.returncode == 0, done.stderr
