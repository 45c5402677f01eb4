"""Genotype likelihoods on a GPU: many tables of fragments by alleles at once, a warp for each genotype."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement
from math import lgamma

import numpy as np
import numpy.typing as npt

from baselake.compute.device import Gpu, Work, in_batches
from baselake.compute.pileup import _twin

THREADS = 128
"""Of a block; as `kernel.cu` has it."""

MOST_FRAGMENTS = 2000
"""Of one table: its costs stand in the 48 KB of shared memory that a block may have without asking."""

_WARPS = THREADS // 32
_PLACE_BYTES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class CostTable:
    """How badly each fragment fits each allele or haplotype of one place.

    Attributes:
        costs: float32, fragments x alleles, phred.
        caps: float32 by fragment: no allele fits worse than the best by more.
        reverse: uint8 by fragment, 1 on the reverse strand.
    """

    costs: npt.NDArray[np.float32]
    caps: npt.NDArray[np.float32]
    reverse: npt.NDArray[np.uint8]


@lru_cache(maxsize=128)
def genotypes_of(alleles: int, ploidy: int) -> npt.NDArray[np.int16]:
    """Every genotype, genotypes x ploidy, in the order of their costs: lexicographic, copies sorted."""
    found = combinations_with_replacement(range(alleles), ploidy)
    return np.array(list(found), np.int16).reshape(-1, ploidy)


def cpu_genotype_costs(tables: Sequence[CostTable], *, ploidy: int) -> list[npt.NDArray[np.float64]]:
    """Phred of the likelihood of each table's fragments under each genotype, by the CPU's kernel."""
    return [_twin.genotypes(one.costs, one.caps, one.reverse, ploidy)[1] for one in tables]


def gpu_genotype_costs(
    gpu: Gpu, tables: Sequence[CostTable], *, ploidy: int
) -> list[npt.NDArray[np.float64]]:
    """What `cpu_genotype_costs` gives, within 1e-4 of a log10; tables over `MOST_FRAGMENTS` are the CPU's.

    Raises:
        ValueError: ploidy is not from 1 to the greatest there may be.
        DeviceLostError: the device fails.
    """
    if not 1 <= ploidy <= _twin.MAX_PLOIDY:
        raise ValueError(f"ploidy {ploidy} is not from 1 to {_twin.MAX_PLOIDY}")
    out: list[npt.NDArray[np.float64]] = [np.empty(0)] * len(tables)
    todo = []
    for number, table in enumerate(tables):
        if len(table.reverse) > MOST_FRAGMENTS:
            (out[number],) = cpu_genotype_costs([table], ploidy=ploidy)
        else:
            todo.append(number)

    def start(work: Work, first: int, end: int) -> Callable[[], None]:
        some = [tables[number] for number in todo[first:end]]
        costs = _launch(gpu, work, some, ploidy)
        ends = np.cumsum([len(genotypes_of(table.costs.shape[1], ploidy)) for table in some])

        def take() -> None:
            for number, own in zip(todo[first:end], np.split(costs, ends[:-1]), strict=True):
                out[number] = own.copy()

        return take

    sizes = [
        tables[number].costs.nbytes
        + len(genotypes_of(tables[number].costs.shape[1], ploidy)) * (12 + 2 * ploidy)
        for number in todo
    ]
    in_batches(gpu, sizes, start)
    return out


def _launch(gpu: Gpu, work: Work, tables: Sequence[CostTable], ploidy: int) -> npt.NDArray[np.float64]:
    """Puts a batch to work; the costs of all genotypes, table by table, are there when it is done."""
    relative = [
        np.minimum(table.costs - table.costs.min(axis=1, keepdims=True), table.caps[:, None])
        if len(table.reverse)
        else table.costs
        for table in tables
    ]
    counts = np.array([len(table.reverse) for table in tables])
    alleles = np.array([table.costs.shape[1] for table in tables], np.int32)
    copies = [genotypes_of(n, ploidy) for n in alleles.tolist()]
    total = sum(map(len, copies))
    room = max(1, int(counts.max()))
    ranks = np.arange(64)
    factorials = np.array([lgamma(n + 1.0) for n in range(room + 5)])
    costs = work.empty(total, np.float64)
    work.run(
        gpu.kernel("pileup", "pileup_genotypes"),
        -(-total // _WARPS),
        THREADS,
        work.put(np.concatenate(([0], np.cumsum(counts))).astype(np.int32)),
        work.put(alleles),
        work.put(np.concatenate(([0], np.cumsum(counts * alleles))).astype(np.int64)),
        work.put(np.concatenate([table.ravel() for table in relative])),
        work.put(np.concatenate([table.reverse for table in tables])),
        work.put((1 - _twin.DEPENDENCY_FLOOR) * _twin.DEPENDENCY**ranks + _twin.DEPENDENCY_FLOOR),
        work.put(factorials),
        work.put(np.repeat(np.arange(len(tables), dtype=np.int32), [len(one) for one in copies])),
        work.put(np.concatenate([one.ravel() for one in copies])),
        np.int32(ploidy),
        np.int32(total),
        np.int32(room),
        costs,
        shared=_WARPS * room * _PLACE_BYTES,
    )
    return work.take(costs)
