"""Random and adversarial batches for the PairHMM, and the CPU's answer to them."""

import numpy as np

from baselake.compute import pairhmm
from baselake.compute.device import Gpu
from baselake.compute.pairhmm.launch import gpu_costs
from baselake.compute.pairhmm.layout import Haplotypes, Pairs, Reads

from ..cuda_emulation.device import Machine

# Log-likelihoods within 1e-4 (log10): costs are 10 times that.
TOLERANCE = 1e-3
_QUALITIES = np.array([0, 2, 6, 10, 25, 37, 45, 93], np.uint8)
_ALPHABETS = (b"ACGT", b"ACGTN", b"AC", b"A", b"ACGTNRacgt*")
# Both sides of every tile's width, and bands that are wider than any.
_BANDS = (
    (0, 0),
    (5, 5),
    (7, 7),
    (7, 8),
    (8, 8),
    (5, 10),
    (0, 15),
    (16, 15),
    (16, 16),
    (31, 32),
    (40, 3),
    (0, 63),
    (64, 40),
    (64, 64),
)
_WIDE = ((127, 128), (255, 0), (128, 128), (300, 10))


def random_batch(seed: int, pairs: int, *, longest: int = 40) -> tuple[Reads, Haplotypes, Pairs]:
    """Reads of haplotypes with errors, gaps and bases that are none, placed well and badly."""
    rng = np.random.default_rng(seed)
    count = max(1, pairs // 8)
    haplotypes = [_text(rng, int(rng.integers(1, 2 * longest))) for _ in range(count)]
    reads, qualities = [], []
    for number in range(count):
        of = haplotypes[number]
        start = int(rng.integers(0, len(of)))
        read = of[start : start + int(rng.integers(0, longest))]
        read = "".join(base for base in read if rng.random() > 0.03)
        read = "".join(base if rng.random() > 0.05 else _text(rng, 2) for base in read)[:longest]
        reads.append(read)
        qualities.append(rng.choice(_QUALITIES, len(read)).tolist())
    bands = [_BANDS[i] for i in rng.integers(0, len(_BANDS), pairs)]
    for i in rng.integers(0, pairs, pairs // 100):
        bands[i] = _WIDE[int(rng.integers(0, len(_WIDE)))]
    left, right = np.array(bands, np.int32).reshape(-1, 2).T
    return (
        pairhmm.as_reads(reads, qualities),
        pairhmm.as_haplotypes(haplotypes),
        Pairs(
            read=rng.integers(0, count, pairs).astype(np.int32),
            haplotype=np.sort(rng.integers(0, count, pairs)).astype(np.int32),
            diagonal=rng.integers(-20, 60, pairs).astype(np.int32),
            left=np.ascontiguousarray(left),
            right=np.ascontiguousarray(right),
        ),
    )


def _text(rng: np.random.Generator, length: int) -> str:
    alphabet = _ALPHABETS[int(rng.choice(len(_ALPHABETS), p=[0.6, 0.15, 0.15, 0.05, 0.05]))]
    return bytes(rng.choice(np.frombuffer(alphabet, np.uint8), length)).decode()


def cpu_costs(reads: Reads, haplotypes: Haplotypes, pairs: Pairs) -> np.ndarray:
    """What the CPU's kernel gives, band by band."""
    out = np.zeros(len(pairs.read), np.float32)
    for left, right in set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)):
        which = np.flatnonzero((pairs.left == left) & (pairs.right == right))
        some = pairs.some(which)
        out[which] = pairhmm.costs(
            reads, haplotypes, some.read, some.haplotype, some.diagonal, left=left, right=right
        )
    return out


def compare_sanitized() -> None:
    """A few hundred pairs of every tile and both precisions, for a process that AddressSanitizer watches."""
    gpu = Gpu(Machine(sanitized=True).module, 0)
    batch = random_batch(3, 400, longest=60)
    assert np.abs(gpu_costs(gpu, *batch) - cpu_costs(*batch)).max() < TOLERANCE
