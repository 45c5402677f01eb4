"""Consequences of random alleles on random gene models, beside `bcftools csq -l` on the same.

Gene models and alleles are those of the tests (tests/compute/annotate/gene_models.py): most alleles lie in or near
exons, which is more work than a genome's. Contestants: the kernel alone (alleles to columns, in a process that has read
everything), `baselake annotate variants` (a fresh process: alleles from the lake, rows committed to it) and csq,
which reads VCF and writes BCF. One core each; runs take turns; medians with the fastest and the slowest.

    python benchmarks/annotation.py --alleles 100000 --length 20000000 --rounds 5
"""

import argparse
import gzip
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from measure import measure

sys.path.insert(0, str(Path(__file__).parents[1]))
from baselake.compute.annotate import ContigConsequences
from tests.compute.annotate.asked import transcripts
from tests.compute.annotate.gene_models import (
    random_alleles,
    random_models,
    with_frames,
    write_gff3,
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--alleles", type=int, default=100_000)
    parser.add_argument("--length", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        _run(Path(folder), options)


def _run(folder: Path, options: argparse.Namespace) -> None:
    rng = random.Random(1)
    genome = "".join(rng.choices("ACGT", k=options.length))
    models = random_models(rng, len(genome))
    genome = with_frames(rng, genome, models)
    (folder / "r.fa").write_text(f">1\n{genome}\n")
    with gzip.open(folder / "g.gff3.gz", "wb") as out:
        out.write(write_gff3(folder / "g.gff3", "1", models).read_bytes())
    alleles = random_alleles(rng, genome, models, options.alleles)
    head = f"##fileformat=VCFv4.2\n##contig=<ID=1,length={len(genome)}>\n"
    head += '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    head += "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "S"]) + "\n"
    rows = "".join(f"1\t{p + 1}\t.\t{r}\t{a}\t.\t.\t.\tGT\t0/1\n" for p, r, a in alleles)
    (folder / "v.vcf").write_text(head + rows)
    normal = f"bcftools norm -f {folder / 'r.fa'} {folder / 'v.vcf'} | bcftools norm -d exact"
    subprocess.run(f"{normal} -o {folder / 'n.vcf'}", shell=True, check=True, stderr=subprocess.DEVNULL)

    lake, empty = folder / "lake", folder / "empty"
    baselake = f"OMP_NUM_THREADS=1 {sys.executable} {Path(sys.executable).with_name('baselake')} --lake"
    steps = [
        f"init && {baselake} {empty} reference add {folder / 'r.fa'} --name r",
        f"ingest {folder / 'n.vcf'}",
        f"annotate genes {folder / 'g.gff3'}",
    ]
    for step in steps:
        subprocess.run(f"{baselake} {empty} {step}", shell=True, check=True, stderr=subprocess.DEVNULL)

    found = _normalised(folder / "n.vcf")
    bases = np.frombuffer(genome.encode(), np.uint8)
    table = transcripts(models)
    contests: dict[str, list[tuple[float, float]]] = {
        "kernel": [],
        "baselake annotate variants": [],
        "csq": [],
    }
    commands = {
        "baselake annotate variants": f"{baselake} {lake} annotate variants",
        "csq": f"cd {folder} && bcftools csq -l -p a -f r.fa -g g.gff3.gz -Ob -o c.bcf n.vcf",
    }
    for turn in range(options.rounds):
        names = list(contests)
        for name in names[turn % 3 :] + names[: turn % 3]:
            if name == "kernel":
                started, used = time.perf_counter(), time.process_time()
                made = ContigConsequences("1", bases, table).annotate(found).num_rows
                contests[name].append((time.perf_counter() - started, time.process_time() - used))
                continue
            shutil.rmtree(lake, ignore_errors=True)
            shutil.copytree(empty, lake)
            run = measure(commands[name], cores=(options.core,), environment={}, log=folder / "log")
            contests[name].append((run.wall_seconds, run.cpu_seconds))
    print(f"{found.num_rows:,} alleles, {len(models):,} transcripts, {made:,} consequences")
    print("| | wall s | CPU s | alleles a second |\n|---|---|---|---|")
    for name, runs in contests.items():
        wall = sorted(run[0] for run in runs)
        cpu = sorted(run[1] for run in runs)[len(runs) // 2]
        middle = wall[len(wall) // 2]
        print(
            f"| {name} | {middle:.2f} ({wall[0]:.2f}-{wall[-1]:.2f}) | {cpu:.2f} | {found.num_rows / cpu:,.0f} |"
        )


def _normalised(path: Path) -> pa.Table:
    rows = [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]
    columns = {
        "start": pa.array([int(row[1]) - 1 for row in rows], pa.int32()),
        "ref": pa.array([row[3] for row in rows]),
        "alt": pa.array([row[4] for row in rows]),
    }
    return pa.table(columns)


if __name__ == "__main__":
    main()
