"""Genotype likelihoods on a GPU: every genotype's cost is the CPU's."""

import numpy as np
import pytest

from baselake.compute.device import Gpu
from baselake.compute.pileup.launch import (
    MOST_FRAGMENTS,
    CostTable,
    cpu_genotype_costs,
    gpu_genotype_costs,
)

from ..cuda_emulation.device import Machine
from ..cuda_emulation.sanitized import run_sanitized
from .genotype_cases import TOLERANCE, greatest_difference, random_tables


@pytest.mark.parametrize(
    ("ploidy", "tables", "alleles"), [(1, 300, 12), (2, 900, 6), (3, 100, 5), (4, 60, 4), (8, 20, 3)]
)
def test_costs_equal_the_cpus(gpu: Gpu, ploidy: int, tables: int, alleles: int) -> None:
    assert greatest_difference(gpu, random_tables(ploidy, tables, most_alleles=alleles), ploidy) < TOLERANCE


def test_many_haplotypes_and_deep_tables_equal_the_cpus(gpu: Gpu) -> None:
    tables = random_tables(20, 2, most_alleles=24) + random_tables(21, 2, most_alleles=2, deepest=900)
    assert greatest_difference(gpu, tables, 2) < TOLERANCE


def test_tables_deeper_than_shared_memory_are_the_cpus() -> None:
    machine = Machine()
    rng = np.random.default_rng(3)
    for depth, launched in ((MOST_FRAGMENTS, 1), (MOST_FRAGMENTS + 1, 0)):
        table = CostTable(
            costs=np.zeros((depth, 1), np.float32),
            caps=np.full(depth, 45, np.float32),
            reverse=rng.integers(0, 2, depth).astype(np.uint8),
        )
        machine.launched.clear()
        assert greatest_difference(Gpu(machine.module, 0), [table], 1) < TOLERANCE
        assert len(machine.launched) == launched


def test_errors_of_one_strand_are_told_from_a_variant(gpu: Gpu) -> None:
    # 20 of 40 fragments misfit the first allele: as an artefact only where all are on one strand.
    costs = np.zeros((40, 2), np.float32)
    costs[:20, 0] = costs[20:, 1] = 30
    caps = np.full(40, 45, np.float32)
    both = CostTable(costs=costs, caps=caps, reverse=(np.arange(40) % 2).astype(np.uint8))
    one = CostTable(costs=costs, caps=caps, reverse=(np.arange(40) < 20).astype(np.uint8))
    of_both, of_one = gpu_genotype_costs(gpu, [both, one], ploidy=2)
    assert of_one[0] < of_both[0] - 100
    assert of_both.argmin() == 1


def test_costs_do_not_depend_on_the_memory() -> None:
    tables = random_tables(7, 60)
    scarce = Machine(memory=150_000)
    found = gpu_genotype_costs(Gpu(scarce.module, 0), tables, ploidy=2)
    plenty = gpu_genotype_costs(Gpu(Machine().module, 0), tables, ploidy=2)
    assert all(np.array_equal(a, b) for a, b in zip(found, plenty, strict=True))
    assert len(scarce.launched) > 1


def test_a_ploidy_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="ploidy 9 is not from 1 to 8"):
        gpu_genotype_costs(Gpu(Machine().module, 0), random_tables(1, 1), ploidy=9)
    assert (
        cpu_genotype_costs([], ploidy=2) == gpu_genotype_costs(Gpu(Machine().module, 0), [], ploidy=2) == []
    )


def test_no_kernel_reaches_beyond_its_memory() -> None:
    done = run_sanitized("tests.compute.genotype_cases", "compare_sanitized")
    assert done.returncode == 0, done.stderr
