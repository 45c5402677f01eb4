"""Time baselake against the tools of the field: same cores, same input, interleaved rounds, fresh processes.

    python benchmarks/run.py --data ../shared/data --simulated FOLDER --fasta chr20.fa --rounds 3 -o results

Ingest is compared with `samtools import`, align with `bwa mem | samtools fixmate | sort | markdup`, call with
`bcftools mpileup | call` and freebayes on the same alignments. Indexing a reference for bwa and registering it
in the lake are not timed; `baselake align` builds its index in the timed run, bwa loads one built before.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pysam
from datasets import Dataset, ensure_bwa_index, real_datasets, simulated_dataset
from measure import Measurement, Summary, measure, summarise

_STAGES = ("ingest", "align", "call")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One way to do a stage.

    Attributes:
        name: shown in tables.
        script: shell command; `{work}` stands for a fresh folder.
        lake: state of the lake that is put into `{work}/lake` before, untimed; None: no lake.
    """

    name: str
    script: str
    lake: Path | None = None


def main() -> None:
    """Parse arguments, run the rounds, write `benchmarks.md` and `benchmarks.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of real sequencing data")
    parser.add_argument(
        "--simulated", type=Path, action="append", default=[], help="from simulate_human.py --bam"
    )
    parser.add_argument("--fasta", type=Path, help="reference of the simulated data, and for aligning")
    parser.add_argument("--stages", nargs="+", choices=_STAGES, default=list(_STAGES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", default="0,1", help="cores to run on, as 0,1")
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    cores = [int(core) for core in arguments.cores.split(",")]
    arguments.cache.mkdir(parents=True, exist_ok=True)
    arguments.output.mkdir(parents=True, exist_ok=True)

    chosen = real_datasets(arguments.data, arguments.cache) if arguments.data else []
    chosen += [simulated_dataset(folder, arguments.fasta) for folder in arguments.simulated]
    machine = describe_machine(cores, arguments.rounds)
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(dir=arguments.cache) as scratch:
        for dataset in (one for one in chosen if one.reads):
            ensure_bwa_index(dataset.fasta)
            prepared = Path(scratch) / dataset.bam.parent.name
            prepared.mkdir()
            for stage in arguments.stages:
                contestants = _CONTESTANTS[stage](dataset, prepared, len(cores))
                results = race(contestants, arguments.rounds, cores, Path(scratch))
                ours = results[contestants[0].name].wall_seconds
                rows += [
                    {"data": dataset.name, "stage": stage, "tool": name, "ratio": summary.wall_seconds / ours}
                    | asdict(summary)
                    for name, summary in results.items()
                ]
                # After every stage, so that an interrupted run keeps what it measured.
                write_results(arguments.output, machine, rows)
            shutil.rmtree(prepared)
    print((arguments.output / "benchmarks.md").read_text())


def write_results(folder: Path, machine: dict[str, str], rows: list[dict[str, object]]) -> None:
    """Write `benchmarks.json` and `benchmarks.md`."""
    (folder / "benchmarks.json").write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))
    (folder / "benchmarks.md").write_text(as_markdown(machine, rows))


def ingest_contestants(dataset: Dataset, prepared: Path, cores: int) -> list[Contestant]:
    """Paired FASTQ.gz into a lake, or into an unaligned BAM."""
    first, last = dataset.reads
    empty = _lake(prepared / "empty", dataset)
    return [
        Contestant(
            name="baselake ingest",
            script=f"baselake --lake {{work}}/lake ingest {first} {last} --sample {dataset.sample}",
            lake=empty,
        ),
        Contestant(
            name="samtools import",
            script=f"samtools import -@ {cores} -1 {first} -2 {last} -o {{work}}/out.bam",
        ),
    ]


def align_contestants(dataset: Dataset, prepared: Path, cores: int) -> list[Contestant]:
    """Reads to sorted alignments with duplicates marked."""
    first, last = dataset.reads
    ingested = _lake(prepared / "ingested", dataset, *dataset.reads)
    pipeline = (
        f"bwa mem -t {cores} -R '@RG\\tID:1\\tSM:{dataset.sample}' {dataset.fasta} {first} {last}"
        f" | samtools fixmate -u -m - - | samtools sort -@ {cores} -u -T {{work}}/sort -"
        " | samtools markdup - {work}/out.bam && samtools index {work}/out.bam"
    )
    return [
        Contestant(
            name="baselake align",
            script=f"baselake --lake {{work}}/lake align {dataset.sample}",
            lake=ingested,
        ),
        Contestant(name="bwa mem | samtools fixmate, sort, markdup", script=pipeline),
    ]


def call_contestants(dataset: Dataset, prepared: Path, cores: int) -> list[Contestant]:
    """The same alignments to variants; peers also with one half of the covered stretch on each of two cores."""
    aligned = _lake(prepared / "aligned", dataset, dataset.bam)
    peers = {
        "bcftools mpileup | call": "bcftools mpileup {region} -a AD,DP -f {fasta} {bam}"
        " | bcftools call -mv -Oz -o {out}.vcf.gz",
        "freebayes": "freebayes {region} -f {fasta} {bam} > {out}.vcf",
    }
    contestants = [
        Contestant(
            name="baselake call",
            script=f"baselake --lake {{work}}/lake call {dataset.sample}",
            lake=aligned,
        )
    ]
    contig, start, middle, end = _covered(dataset.bam)
    halves = {
        "bcftools mpileup | call": (f"-r {contig}:{start + 1}-{middle}", f"-r {contig}:{middle + 1}-{end}"),
        "freebayes": (f"-r {contig}:{start}-{middle}", f"-r {contig}:{middle}-{end}"),
    }
    for name, template in peers.items():
        common = {"fasta": dataset.fasta, "bam": dataset.bam}
        whole = template.format(region="", out="{work}/out", **common)
        contestants.append(Contestant(name=name, script=whole))
        left, right = (
            template.format(region=region, out=f"{{work}}/{part}", **common)
            for part, region in enumerate(halves[name])
        )
        split = f"({left}) & first=$!; ({right}); wait $first"
        contestants.append(Contestant(name=f"{name}, two regions at once", script=split))
    return contestants


def race(contestants: list[Contestant], rounds: int, cores: list[int], scratch: Path) -> dict[str, Summary]:
    """Run contestants in turn, each round beginning with another one; medians by name."""
    runs: dict[str, list[Measurement]] = {contestant.name: [] for contestant in contestants}
    environment = {
        "BASELAKE_THREADS": str(len(cores)),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    for turn in range(rounds):
        shift = turn % len(contestants)
        for contestant in contestants[shift:] + contestants[:shift]:
            with tempfile.TemporaryDirectory(dir=scratch) as work:
                if contestant.lake is not None:
                    shutil.copytree(contestant.lake, Path(work) / "lake")
                script = contestant.script.replace("{work}", work)
                run = measure(script, cores=cores, environment=environment, log=Path(work) / "log")
            runs[contestant.name].append(run)
            print(f"round {turn + 1}: {contestant.name}: {run.wall_seconds:.2f} s", file=sys.stderr)
    return {name: summarise(measured) for name, measured in runs.items()}


def describe_machine(cores: list[int], rounds: int) -> dict[str, str]:
    """What the figures depend on: processor, cores and versions."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    commands = {
        "baselake": [str(Path(sys.executable).parent / "baselake"), "--version"],
        "samtools": ["samtools", "--version"],
        "bcftools": ["bcftools", "--version"],
        "freebayes": ["freebayes", "--version"],
    }
    versions = {
        name: subprocess.run(command, capture_output=True, check=True).stdout.split(b"\n")[0].decode()
        for name, command in commands.items()
    }
    usage = subprocess.run(["bwa"], capture_output=True, text=True, check=False).stderr
    versions["bwa"] = next(line for line in usage.splitlines() if line.startswith("Version"))
    return {"processor": model, "cores": str(len(cores)), "rounds": str(rounds)} | versions


def as_markdown(machine: dict[str, str], rows: list[dict[str, object]]) -> str:
    """A table of the rows under a list of the machine and versions."""
    lines = ["# Benchmarks", ""]
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    lines += [
        "",
        "Medians; `ratio` is the tool's wall time over baselake's. CPU counts all processes of a command, memory is",
        "the most that its process tree held at once.",
        "",
        "| data | stage | tool | wall s (fastest-slowest) | CPU s | peak MB | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        "| {data} | {stage} | {tool} | {wall_seconds:.2f} ({wall_fastest:.2f}-{wall_slowest:.2f})"
        " | {cpu_seconds:.2f} | {megabytes:.0f} | {ratio:.2f} |".format(
            **(row | {"tool": str(row["tool"]).replace("|", r"\|")}),
            megabytes=float(str(row["peak_bytes"])) / 1e6,
        )
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _lake(path: Path, dataset: Dataset, *inputs: Path) -> Path:
    """A lake with the dataset's reference and some imported files, made where absent."""
    if not path.exists():
        command = [str(Path(sys.executable).parent / "baselake"), "--lake", str(path)]
        subprocess.run([*command, "init"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([*command, "reference", "add", str(dataset.fasta), "--name", "reference"], check=True)
        if inputs:
            # Alignments name their sample themselves.
            sample = ["--sample", dataset.sample] if len(inputs) > 1 else []
            subprocess.run([*command, "ingest", *map(str, inputs), *sample], check=True)
    return path


def _covered(bam: Path) -> tuple[str, int, int, int]:
    """Contig, start, middle and end of the stretch where reads lie, 0-based half-open."""
    with pysam.AlignmentFile(str(bam)) as reads:
        contig = max(reads.get_index_statistics(), key=lambda statistics: statistics.mapped).contig
        starts = [read.reference_start for read in reads.fetch(contig)]
    middle = starts[len(starts) // 2]
    return contig, starts[0], middle, starts[-1] + 1_000


_CONTESTANTS: dict[str, Callable[[Dataset, Path, int], list[Contestant]]] = {
    "ingest": ingest_contestants,
    "align": align_contestants,
    "call": call_contestants,
}


if __name__ == "__main__":
    main()
