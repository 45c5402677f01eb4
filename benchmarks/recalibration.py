"""What recalibrated base qualities bring: the same alignments called with qualities as they are, and as they turn out.

    python benchmarks/recalibration.py --compare ../shared/tools/compare_vcf.py --data ../shared/data \\
        --simulated .cache/planted/dev --fasta .cache/chr20.fa

A base's quality becomes how often bases of its reported quality and cycle differ from the reference where the person
does not vary, as GATK's BaseRecalibrator has it, but learnt without known sites: places where 15% of the reads differ
are left out. Cells with few bases lean on what their quality says.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pysam
from accuracy import run_baselake
from contexts import Share, by_class
from datasets import Dataset, real_datasets, simulated_dataset
from numpy.typing import NDArray
from observed_reads import invariant_bases, primary

_CYCLES = 10  # in one cell
_LEANING = 2_000  # bases that a cell's own quality weighs as much as
_QUALITIES = 64
_LEAST, _MOST = 2, 45


def main() -> None:
    """Parse arguments; call, compare and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compare", type=Path, required=True, help="compare_vcf.py")
    parser.add_argument("--data", type=Path, required=True, help="folder of real sequencing data")
    parser.add_argument(
        "--simulated", type=Path, action="append", default=[], help="from simulate_human.py --bam"
    )
    parser.add_argument("--fasta", type=Path, help="reference of the simulated data")
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    chosen = real_datasets(arguments.data, arguments.cache)
    chosen += [simulated_dataset(folder, arguments.fasta) for folder in arguments.simulated]
    print("| data | qualities | SNVs missed | false | F1 | indels missed | false | F1 |")
    print("|---|---|---|---|---|---|---|---|")
    for dataset in chosen:
        with tempfile.TemporaryDirectory(dir=arguments.cache) as work:
            recalibrated = Path(work) / "recalibrated.bam"
            recalibrate(dataset, recalibrated)
            for name, bam in (("reported", dataset.bam), ("recalibrated", recalibrated)):
                calls = run_baselake(dataset, [bam], Path(work) / name)
                where, bed = dataset.beds[-1]
                found = by_class(arguments.compare, dataset.fasta, dataset.truth, bed, calls, None)
                cells = [f"{dataset.name}, {where}", name]
                for kind in ("SNV", "indel"):
                    share = found.get(("kind", kind), Share(truth=0, missed=0, false=0))
                    cells += [str(share.missed), str(share.false)]
                    cells.append("-" if share.f1 is None else f"{share.f1:.4f}")
                print(f"| {' | '.join(cells)} |", flush=True)


def recalibrate(dataset: Dataset, output: Path) -> None:
    """Write the alignments of a data set with recalibrated qualities, and an index."""
    with pysam.AlignmentFile(str(dataset.bam)) as bam:
        contig = max(bam.get_index_statistics(), key=lambda one: one.mapped).contig
        length = max(record.query_length for record in bam.fetch(contig))
    table = learn(dataset, contig, length)
    # Opened again: an iteration over the whole file begins where the one before ended.
    with (
        pysam.AlignmentFile(str(dataset.bam)) as bam,
        pysam.AlignmentFile(str(output), "wb", template=bam) as out,
    ):
        for record in bam.fetch(until_eof=True):
            quality = np.array(record.query_qualities, np.uint8)
            cycle = np.arange(quality.size)
            cells = np.minimum(cycle[::-1] if record.is_reverse else cycle, length - 1) // _CYCLES
            text = (table[quality, cells] + 33).astype(np.uint8).tobytes().decode()
            record.query_qualities = pysam.qualitystring_to_array(text)
            out.write(record)
    pysam.index(str(output))


def learn(dataset: Dataset, contig: str, length: int) -> NDArray[np.uint8]:
    """Recalibrated qualities by reported quality and cell of cycles."""
    seen = invariant_bases(list(primary(dataset.bam, contig)), dataset.fasta, contig)
    shape = _QUALITIES, (length - 1) // _CYCLES + 1
    cell = np.ravel_multi_index((seen.quality, np.minimum(seen.cycle, length - 1) // _CYCLES), shape)
    size = shape[0] * shape[1]
    total = np.bincount(cell, minlength=size).reshape(shape)
    wrong = np.bincount(cell[seen.differs], minlength=size).reshape(shape)
    said = 10.0 ** (-np.arange(_QUALITIES) / 10)
    by_quality = (wrong.sum(axis=1) + _LEANING * said) / (total.sum(axis=1) + _LEANING)
    rate = (wrong + _LEANING * by_quality[:, None]) / (total + _LEANING)
    return np.rint(-10 * np.log10(rate)).clip(_LEAST, _MOST).astype(np.uint8)


if __name__ == "__main__":
    main()
