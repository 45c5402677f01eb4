"""Random and adversarial pairs for the banded alignment."""

import numpy as np

from baselake.compute.device import Gpu
from baselake.compute.smithwaterman.launch import Aligned, Pairs, cpu_align, gpu_align

from ..cuda_emulation.device import Machine

_ALPHABETS = (b"ACGT", b"ACGT", b"AC", b"A", b"ACGTN")


def laid_out(queries: list[str], targets: list[str]) -> Pairs:
    """Each query with its own target."""
    index = np.arange(len(queries), dtype=np.int32)
    arrays = {}
    for name, items in (("query", queries), ("target", targets)):
        arrays[f"{name}_offsets"] = np.cumsum([0, *map(len, items)], dtype=np.int32)
        arrays[f"{name}_bases"] = np.frombuffer("".join(items).encode(), np.uint8)
    return Pairs(**arrays, query=index, target=index[::-1].copy())


def random_pairs(seed: int, count: int, *, longest: int = 60) -> Pairs:
    """Copies of targets with changes, and strangers; of all lengths from 0, shuffled in memory."""
    rng = np.random.default_rng(seed)
    queries, targets = [], []
    for _ in range(count):
        alphabet = np.frombuffer(_ALPHABETS[int(rng.integers(0, 5))], np.uint8)
        target = rng.choice(alphabet, int(rng.integers(0, longest)))
        query = target.copy()
        for _ in range(int(rng.integers(0, 4))):
            at, length = int(rng.integers(0, len(query) + 1)), int(rng.integers(1, 12))
            inserted = rng.choice(alphabet, length if rng.random() < 0.5 else 0)
            query = np.concatenate((query[:at], inserted, query[at + (0 if len(inserted) else length) :]))
        if rng.random() < 0.1:
            query = rng.choice(alphabet, int(rng.integers(0, longest)))
        queries.append(query.tobytes().decode())
        targets.append(target.tobytes().decode())
    return laid_out(queries, targets[::-1])


def same(one: Aligned, other: Aligned) -> bool:
    """Whether scores and operations are the same."""
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("scores", "offsets", "ops")
    )


def compare_sanitized() -> None:
    """Pairs of several tiles, for a process that AddressSanitizer watches."""
    gpu = Gpu(Machine(sanitized=True).module, 0)
    for slack, longest in ((3, 60), (60, 80), (200, 60)):
        pairs = random_pairs(slack, 40, longest=longest)
        assert same(gpu_align(gpu, pairs, slack=slack), cpu_align(pairs, slack=slack))
