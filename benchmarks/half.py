"""What the PairHMM would give in half precision, two cells to an instruction (CUDA's `half2`): how far costs are off.

    python benchmarks/half.py --data ../shared/data

No GPU is needed. The recurrences are computed for all pairs of the NA12878 slice as the kernel computes them, but every
result is rounded to float16 (of a fused multiplication and addition once). float16 has no range for a whole read, so
each row of the band is scaled by a power of two, which costs no precision and is more than a kernel would do. The
slice is then called with these costs. Prints the table of docs/gpu-model.md.
"""

import argparse
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pysam
from gpu import alignments
from gpu_model import costs

from baselake.compute.pileup import DEFAULT_PARAMETERS, _columns, _twin
from baselake.compute.smithwaterman.launch import Pairs, cpu_align

GAP_OPEN, EXTEND, MAX_COST = 45, 0.1, 6000.0  # compute/pairhmm/model.h
START, END = 9_999_000, 10_101_000
_BASES = np.full(256, 5, np.int8)
_BASES[np.frombuffer(b"ACGTN", np.uint8)] = range(5)
_BEYOND, _NONE = 5, 6
_HIGHEST = 13  # rows are scaled so that their greatest value is under 2^14: a sum of four has room

Floats = npt.NDArray[np.float32]


def rounded(values: Floats) -> Floats:
    """To float16, subnormal numbers included, as a device computes."""
    return values.astype(np.float16).astype(np.float32)


def half_costs(pairs: dict[str, np.ndarray]) -> Floats:
    """Phred of every pair, by bands of one shape."""
    out = np.zeros(len(pairs["read"]), np.float32)
    bands = np.stack((pairs["left"], pairs["right"]))
    for left, right in np.unique(bands, axis=1).T.tolist():
        which = np.flatnonzero((pairs["left"] == left) & (pairs["right"] == right))
        out[which] = _of_band(pairs, which, left, right)
    return out


def _of_band(pairs: dict[str, np.ndarray], which: np.ndarray, left: int, right: int) -> Floats:
    reads, haplotypes = pairs["read"][which], pairs["haplotype"][which]
    first, length = pairs["read_offsets"][reads], np.diff(pairs["read_offsets"])[reads]
    start, span = pairs["haplotype_offsets"][haplotypes], np.diff(pairs["haplotype_offsets"])[haplotypes]
    rate = 10.0 ** (-np.arange(256) / 10)
    width, n = left + right + 1, len(which)
    match, insertion, deletion = (np.zeros((width + 2, n), np.float32) for _ in range(3))
    exponent = np.full(n, -float(_HIGHEST))  # a value stands for itself times two to this
    cost = np.zeros(n)
    goes_on, ends = rounded(np.float32(EXTEND)), rounded(np.float32(1 - EXTEND))
    for i in range(int(length.max())):
        inside = i < length
        at = np.where(inside, first + i, 0)
        base, quality = _BASES[pairs["read_bases"][at]], pairs["quality"][at]
        fits = rounded(np.where(quality == 0, 1, 1 - rate[quality]).astype(np.float32))
        wrong = rounded(np.where(quality == 0, 1, rate[quality] / 3).astype(np.float32))
        before = (match.copy(), insertion.copy(), deletion.copy())
        for k in range(width):
            j = i + pairs["diagonal"][which] - left + k
            within, prior = (j >= 0) & (j < span), (j >= 1) & (j <= span)
            place = start + np.where(within, j, 0)
            open_here = np.where(within, rate[pairs["open"][place]], rate[GAP_OPEN])
            open_before = np.where(
                prior, rate[pairs["open"][start + np.where(prior, j - 1, 0)]], rate[GAP_OPEN]
            )
            stay = rounded(np.maximum(0, 1 - open_before - open_here).astype(np.float32))
            opening = rounded(open_here.astype(np.float32))
            other = np.where(within, _BASES[pairs["haplotype_bases"][place]], _NONE)
            same = (other == 4) | ((base == other) & (base < 4))
            gaps = rounded(before[1][k + 1] + before[2][k + 1])
            arrive = rounded(stay * before[0][k + 1] + rounded(ends * gaps))
            if i == 0:
                arrive = np.full(n, 2.0**_HIGHEST, np.float32)
            match[k + 1] = rounded(np.where(same, fits, wrong) * arrive)
            insertion[k + 1] = rounded(opening * before[0][k + 2] + rounded(goes_on * before[1][k + 2]))
            deletion[k + 1] = rounded(opening * match[k] + rounded(goes_on * deletion[k]))
        greatest = np.maximum.reduce([match.max(axis=0), insertion.max(axis=0), deletion.max(axis=0)])
        last = i == length - 1
        total = (match[1:-1] + insertion[1:-1]).sum(axis=0, dtype=np.float64)
        with np.errstate(divide="ignore"):
            cost[last] = -10 * np.log10(total[last]) - 10 * np.log10(2.0) * exponent[last]
        up = np.where(greatest > 0, _HIGHEST - np.frexp(np.maximum(greatest, 1e-30))[1], 0).astype(np.int32)
        for state in (match, insertion, deletion):
            state[:] = np.ldexp(state, up)
        exponent -= up
    return np.minimum(cost, MAX_COST).astype(np.float32)


def called(given: tuple, in_half: bool) -> tuple[dict, list[np.ndarray], list[np.ndarray]]:
    """The calls of the slice, and the costs of both comparisons as they are and as they were taken."""
    calling = _twin.StagedCalling(*given)
    exact, taken = [], []

    def compared(pairs: dict[str, np.ndarray]) -> np.ndarray:
        exact.append(costs(pairs))
        taken.append(half_costs(pairs) if in_half else exact[-1])
        return taken[-1]

    found = Pairs(**calling.compared(compared(calling.pairs())))
    aligned = cpu_align(found, slack=_twin.SLACK_OF_HAPLOTYPES)
    calls = calling.compared_again(compared(calling.aligned(aligned.offsets, aligned.ops)))
    return calls, exact, taken


def rows_of(calls: dict) -> list[tuple]:
    """Start, alleles, genotype, GQ and PL of each call."""

    def texts(name: str) -> list[bytes]:
        offsets, values = calls[name]
        return [values[a:b].tobytes() for a, b in pairwise(offsets.tolist())]

    columns = (
        calls["start"].tolist(),
        texts("ref"),
        texts("alt"),
        texts("gt"),
        calls["gq"].tolist(),
        texts("pl"),
    )
    return list(zip(*columns, strict=True))


def main(arguments: list[str] | None = None) -> None:
    """Compute, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--start", type=int, default=START, help="0-based")
    parser.add_argument("--end", type=int, default=END)
    asked = parser.parse_args(arguments)
    folder = asked.data / "accuracy_NA12878_chr20"
    rows = alignments(folder / "NA12878_S1.chr20.10_10p1mb.bam", "chr20", asked.start, asked.end)
    with pysam.FastaFile(str(folder / "ucsc.hg19.chr20.unittest.fasta.gz")) as reference:
        bases = np.frombuffer(reference.fetch("chr20").encode(), np.uint8)
    given = (_columns(rows), bases, asked.start, asked.end, 2, asdict(DEFAULT_PARAMETERS))
    expected, _, _ = called(given, in_half=False)
    calls, exact, taken = called(given, in_half=True)
    off = np.abs(np.concatenate(exact) - np.concatenate(taken))
    print(f"| {len(off):,} pairs | |\n|---|---|")
    for bound in (0.001, 0.1, 1):
        share = f"{np.count_nonzero(off > bound):,} ({np.mean(off > bound):.1%})"
        print(f"| off by over {bound:g} phred | {share} |")
    print(f"| off by, median and greatest, phred | {np.median(off):.3f}, {off.max():.1f} |")
    before, after = rows_of(expected), rows_of(calls)
    places = [{row[:4] for row in each} for each in (before, after)]
    print(f"| calls of {len(before)} that come, go or have another genotype | {len(places[0] ^ places[1])} |")
    print(f"| calls whose GQ or PL is another | {len(set(before) - set(after))} |")


if __name__ == "__main__":
    main()
