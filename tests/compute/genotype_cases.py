"""Random and adversarial tables of fragments by alleles."""

import numpy as np

from baselake.compute.device import Gpu
from baselake.compute.pileup.launch import CostTable, cpu_genotype_costs, gpu_genotype_costs

from ..cuda_emulation.device import Machine

# Log-likelihoods within 1e-4 (log10): costs are 10 times that.
TOLERANCE = 1e-3


def random_tables(seed: int, count: int, *, most_alleles: int = 6, deepest: int = 80) -> list[CostTable]:
    """Fragments that fit one allele or none, with ties, on one strand or both; some tables have none at all."""
    rng = np.random.default_rng(seed)
    tables = []
    for _ in range(count):
        alleles, depth = int(rng.integers(1, most_alleles + 1)), int(rng.integers(0, deepest))
        costs = rng.choice(np.array([0, 0, 2.5, 3, 20, 35.5, 42, 90], np.float32), (depth, alleles))
        costs += rng.choice(np.array([0, 0, 7, 120], np.float32), (depth, 1))
        if rng.random() < 0.5:  # of one source: the same allele for all
            costs[:, int(rng.integers(0, alleles))] = 0
        caps = rng.choice(np.array([1, 20, 45], np.float32), depth)
        strands = float(rng.choice([0, 0.1, 0.5, 1]))
        tables.append(
            CostTable(costs=costs, caps=caps, reverse=(rng.random(depth) < strands).astype(np.uint8))
        )
    return tables


def greatest_difference(gpu: Gpu, tables: list[CostTable], ploidy: int) -> float:
    """Of any genotype's cost on the two devices."""
    found, expected = (
        gpu_genotype_costs(gpu, tables, ploidy=ploidy),
        cpu_genotype_costs(tables, ploidy=ploidy),
    )
    assert [len(one) for one in found] == [len(one) for one in expected]
    return max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))


def compare_sanitized() -> None:
    """Some tables, for a process that AddressSanitizer watches."""
    gpu = Gpu(Machine(sanitized=True).module, 0)
    assert greatest_difference(gpu, random_tables(1, 20), 2) < TOLERANCE
