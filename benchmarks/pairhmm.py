"""Cell updates a second of the PairHMM on one core, for bands of several widths.

    python benchmarks/pairhmm.py

Processor time, best of five runs of 8,000 pairs: reads of 150 bases against haplotypes of 300.
"""

import time

import numpy as np

from baselake.compute.pairhmm import as_haplotypes, as_reads, costs

_READ, _HAPLOTYPE, _READS, _HAPLOTYPES, _RUNS = 150, 300, 2000, 4, 5


def main() -> None:
    """Print a line for each band."""
    rng = np.random.default_rng(1)
    haplotype = "".join(rng.choice(list("ACGT"), _HAPLOTYPE))
    starts = rng.integers(0, _HAPLOTYPE - _READ, _READS)
    reads = as_reads([haplotype[at : at + _READ] for at in starts], [[37] * _READ] * _READS)
    haplotypes = as_haplotypes([haplotype] * _HAPLOTYPES)
    read = np.repeat(np.arange(_READS, dtype=np.int32), _HAPLOTYPES)
    which = np.tile(np.arange(_HAPLOTYPES, dtype=np.int32), _READS)
    diagonal = np.repeat(starts.astype(np.int32), _HAPLOTYPES)
    print("| band | G cells/s |\n|---|---|")
    for side in (5, 12, 30, 100):
        seconds = []
        for _ in range(_RUNS):
            before = time.process_time()
            costs(reads, haplotypes, read, which, diagonal, left=side, right=side)
            seconds.append(time.process_time() - before)
        cells = len(read) * _READ * (2 * side + 1)
        print(f"| {2 * side + 1} | {cells / min(seconds) / 1e9:.2f} |")


if __name__ == "__main__":
    main()
