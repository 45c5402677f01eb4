"""Import of a simulated cohort beside `bcftools view`, and questions of it beside bcftools on an indexed BCF.

Genotypes are drawn from allele frequencies of a neutral population (density 1/f), independently: nothing here is about
linkage. Each command is a fresh process; processor time is reported, user and system, the fastest of the rounds.

    python benchmarks/cohort.py --samples 100 --sites 20000 --rounds 3
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measure import Measurement, measure

CONTIG = "20"
SPACING = 40  # bases between sites: 1000 Genomes has a variant every 35 of chromosome 20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--sites", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--genotypes-only", action="store_true", help="FORMAT is GT alone")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        _run(Path(folder), options)


def _run(folder: Path, options: argparse.Namespace) -> None:
    bcf = _simulate(folder, options.samples, options.sites, full=not options.genotypes_only)
    baselake = f"{sys.executable} {Path(sys.executable).with_name('baselake')} --lake"
    empty, lake = folder / "empty", folder / "lake"
    subprocess.run(f"{baselake} {empty} init && {baselake} {empty} reference add {folder / 'r.fa'} --name flat",
                   shell=True, check=True, stderr=subprocess.DEVNULL)  # fmt: skip
    middle = options.sites * SPACING // 2
    place = f"{CONTIG}:{middle + 1}-{middle + 100_000}"
    variant = f"{CONTIG}-{middle + 1}-A-C"
    ask = f"{baselake} {lake} query"
    trio = 'GT[0]="alt" && GT[1]="ref" && GT[2]="ref"'
    contests = {
        "import": (f"{baselake} {lake} ingest {bcf}", f"bcftools view -Ob -o {folder / 'again.bcf'} {bcf}"),
        "region, 100 kb": (f"{ask} region {place} --format csv", f"bcftools view -H -r {place} {bcf}"),
        "carriers of one allele": (
            f"{ask} carriers {variant}",
            f"""bcftools query -r {CONTIG}:{middle + 1} -i 'GT="alt"' -f '[%SAMPLE %GT\\n]' {bcf}""",
        ),
        "frequencies, 100 kb": (
            f"{ask} allele_frequency all place={place}",
            f"bcftools view -r {place} -Ou {bcf} | bcftools +fill-tags -- -t AC,AN,AF",
        ),
        "frequencies, all": (
            f"{ask} allele_frequency all",
            f"bcftools view -Ou {bcf} | bcftools +fill-tags -Ob -- -t AC,AN,AF",
        ),
        "de novo, all": (
            f"{ask} de_novo F",
            f"bcftools view -s S0,S1,S2 -Ou {bcf} | bcftools query -i '{trio}' -f '%POS\\n'",
        ),
        "ti/tv of one sample": (f"{ask} titv S0", f"bcftools stats -s S0 {bcf}"),
    }
    print(f"{options.samples} samples, {options.sites:,} sites, {'GT' if options.genotypes_only else 'GT:AD:DP:GQ:PL'},"
          f" BCF {bcf.stat().st_size / 1e6:.1f} MB")  # fmt: skip
    print(
        "| question | baselake CPU s | wall s | bcftools CPU s | wall s | CPU ratio |\n|---|---|---|---|---|---|"
    )
    for name, commands in contests.items():
        best = []
        for command in commands:
            runs = []
            for _ in range(options.rounds):
                if name == "import" and command is commands[0]:
                    shutil.rmtree(lake, ignore_errors=True)
                    shutil.copytree(empty, lake)
                runs.append(measure(command, cores=(0, 1), environment={}, log=folder / "log"))
            best.append(min(runs, key=lambda run: run.cpu_seconds))
        print(_row(name, *best))
        if name == "import":
            subprocess.run(f"{baselake} {lake} pedigree add {folder / 'f.ped'}", shell=True, check=True)
            size = sum(path.stat().st_size for path in (lake / "data").rglob("*.parquet"))
            print(f"| (size of the lake's files: {size / 1e6:.1f} MB) | | | | | |")


def _row(name: str, ours: Measurement, theirs: Measurement) -> str:
    return (
        f"| {name} | {ours.cpu_seconds:.2f} | {ours.wall_seconds:.2f} | {theirs.cpu_seconds:.2f} |"
        f" {theirs.wall_seconds:.2f} | {theirs.cpu_seconds / ours.cpu_seconds:.2f} |"
    )


def _simulate(folder: Path, samples: int, sites: int, *, full: bool) -> Path:
    """A BCF with its index, its reference `r.fa` and a pedigree `f.ped` of the first three samples."""
    length = sites * SPACING + 200_000
    (folder / "r.fa").write_text(f">{CONTIG}\n{'A' * length}\n")
    (folder / "f.ped").write_text("F S0 S1 S2 1 2\nF S1 0 0 1 1\nF S2 0 0 2 1\n")
    bcf = folder / "cohort.bcf"
    with subprocess.Popen(["bcftools", "view", "-Ob", "-o", bcf], stdin=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        for line in _lines(samples, sites, length, full=full):
            writer.stdin.write(line)
    subprocess.run(["bcftools", "index", bcf], check=True)
    return bcf


def _lines(samples: int, sites: int, length: int, *, full: bool) -> Iterator[str]:
    random = np.random.default_rng(20)
    names = "\t".join(f"S{i}" for i in range(samples))
    yield "##fileformat=VCFv4.3\n"
    yield f"##contig=<ID={CONTIG},length={length}>\n"
    for key, number, kind in (("GT", 1, "String"), ("AD", "R", "Integer"), ("DP", 1, "Integer"),
                              ("GQ", 1, "Integer"), ("PL", "G", "Integer")):  # fmt: skip
        yield f'##FORMAT=<ID={key},Number={number},Type={kind},Description="{key}">\n'
    yield f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{names}\n"
    genotypes = ("0/0", "0/1", "1/1")
    for site in range(sites):
        frequency = (1 / (2 * samples)) ** random.random()
        copies = random.binomial(2, frequency, samples)
        start = f"{CONTIG}\t{site * SPACING + 1}\t.\tA\tC\t{random.integers(30, 3000)}\tPASS\t.\t"
        if not full:
            yield start + "GT\t" + "\t".join(genotypes[c] for c in copies) + "\n"
            continue
        depth = random.poisson(30, samples) + 1
        alternate = random.binomial(depth, np.array((0.002, 0.5, 0.998))[copies])
        quality = np.minimum(3 * depth, 99)
        fields = zip(copies.tolist(), depth.tolist(), alternate.tolist(), quality.tolist(), strict=True)
        yield start + "GT:AD:DP:GQ:PL\t" + "\t".join(_sample(*each) for each in fields) + "\n"


def _sample(copies: int, depth: int, alternate: int, quality: int) -> str:
    likelihoods = ((0, quality, 12 * depth), (11 * depth, 0, 11 * depth), (12 * depth, quality, 0))[copies]
    gt = ("0/0", "0/1", "1/1")[copies]
    return f"{gt}:{depth - alternate},{alternate}:{depth}:{quality}:{','.join(map(str, likelihoods))}"


if __name__ == "__main__":
    main()
