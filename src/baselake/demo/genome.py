"""A small synthetic genome that is hard in the ways a real one is.

Bases are ASCII `uint8` arrays, upper case. Composition drifts between AT- and GC-rich stretches, CpG is rare,
diverged copies of one interspersed repeat with a poly-A tail are scattered about, homopolymers and short
tandem repeats (STRs) of every unit up to six bases stand at the density of human DNA, and one segment is
duplicated at about 98% identity.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Bases = NDArray[np.uint8]

ACGT: Bases = np.frombuffer(b"ACGT", dtype=np.uint8)

# One autosome pair, both sex chromosomes and a mitochondrion; small enough for a demo of two minutes.
CONTIG_LENGTHS: Mapping[str, int] = {
    "chr1": 400_000,
    "chr2": 250_000,
    "chrX": 120_000,
    "chrY": 60_000,
    "chrM": 16_569,
}

_GC_BLOCK = 2_000  # bases over which the GC content is constant before smoothing
_REPEAT_LENGTH = 300  # as an Alu element
_REPEATS_PER_BASE = 1 / 4_000
_STRS_PER_BASE = 1 / 2_500
_DUPLICATED_SEGMENT = 5_000
_DUPLICATION_DIVERGENCE = 0.02


def synthetic_genome(lengths: Mapping[str, int], *, seed: int) -> dict[str, Bases]:
    """Make a genome.

    Args:
        lengths: bases of each contig, in order.
        seed: the same seed makes the same genome.

    Returns:
        ASCII bases of each contig, in the order of `lengths`.
    """
    rng = np.random.default_rng(seed)
    repeat = _background(rng, _REPEAT_LENGTH)
    return {contig: _contig(rng, length, repeat) for contig, length in lengths.items()}


def write_fasta(path: Path, genome: Mapping[str, Bases], *, line: int = 60) -> None:
    """Write contigs as FASTA.

    Args:
        path: file to write.
        genome: ASCII bases of each contig.
        line: bases on one line.
    """
    with path.open("wb") as fasta:
        for contig, bases in genome.items():
            fasta.write(f">{contig}\n".encode())
            whole = bases.size // line * line
            rows = np.full((whole // line, line + 1), ord("\n"), dtype=np.uint8)
            rows[:, :line] = bases[:whole].reshape(-1, line)
            fasta.write(rows.tobytes())
            if whole < bases.size:
                fasta.write(bases[whole:].tobytes() + b"\n")


def _background(rng: np.random.Generator, length: int) -> Bases:
    """Random bases whose GC content drifts between about 0.33 and 0.6, with CpG at a fifth of chance."""
    blocks = rng.normal(0.41, 0.06, length // _GC_BLOCK + 2).clip(0.33, 0.6)
    gc = np.interp(np.arange(length), np.arange(blocks.size) * _GC_BLOCK, blocks)
    strong = rng.random(length) < gc
    first = rng.random(length) < 0.5
    codes = np.where(strong, np.where(first, 1, 2), np.where(first, 0, 3)).astype(np.uint8)
    cpg = np.flatnonzero((codes[:-1] == 1) & (codes[1:] == 2))
    decayed = cpg[rng.random(cpg.size) < 0.8]
    codes[decayed] = 3  # methylated C deaminates to T
    return ACGT[codes]


def _contig(rng: np.random.Generator, length: int, repeat: Bases) -> Bases:
    bases = _background(rng, length)
    for start in _places(rng, length, _REPEATS_PER_BASE, _REPEAT_LENGTH + 40):
        copy = _diverge(rng, repeat, divergence=float(rng.uniform(0.03, 0.2)))
        tail = np.full(int(rng.integers(8, 25)), ord("A"), dtype=np.uint8)
        element = np.concatenate((copy, tail))
        bases[start : start + element.size] = element
    for start in _places(rng, length, _STRS_PER_BASE, 120):
        tract = _tandem_repeat(rng)
        bases[start : start + tract.size] = tract
    if length >= 20 * _DUPLICATED_SEGMENT:
        source, target = length // 4, length * 3 // 4
        segment = bases[source : source + _DUPLICATED_SEGMENT]
        bases[target : target + segment.size] = _diverge(rng, segment, divergence=_DUPLICATION_DIVERGENCE)
    return bases


def _places(rng: np.random.Generator, length: int, density: float, room: int) -> list[int]:
    return [int(start) for start in rng.integers(0, max(1, length - room), int(length * density))]


def _diverge(rng: np.random.Generator, bases: Bases, *, divergence: float) -> Bases:
    """A copy with substitutions at the given rate."""
    copy = bases.copy()
    hit = np.flatnonzero(rng.random(copy.size) < divergence)
    copy[hit] = ACGT[rng.integers(0, 4, hit.size)]
    return copy


def _tandem_repeat(rng: np.random.Generator) -> Bases:
    """A homopolymer (6-20 bases) or an STR of unit 2-6; long ones are rarer."""
    unit_length = int(rng.choice([1, 2, 3, 4, 5, 6], p=[0.45, 0.25, 0.08, 0.14, 0.05, 0.03]))
    unit = rng.choice(ACGT, unit_length)
    fewest, mean_more = (6, 3.0) if unit_length == 1 else (4, 4.0)
    most = 20 if unit_length <= 2 else 16
    copies = min(most, fewest + int(rng.geometric(1 / mean_more)))
    return np.tile(unit, copies)
