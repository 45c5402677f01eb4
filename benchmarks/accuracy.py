"""Recall and precision of baselake, freebayes and bcftools on the same alignments, for every truth set at hand.

    python benchmarks/accuracy.py --compare ../shared/tools/compare_vcf.py --data ../shared/data \\
        --simulated FOLDER --fasta chr20.fa -o results

`theirs` are the alignments that came with the data (bwa), `ours` those of `baselake align`. Calls of baselake
count where FILTER is PASS, those of the others where QUAL is at least 20.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from datasets import Dataset, real_datasets, simulated_dataset

_LEAST_QUAL = "20"
_KINDS = {"SNV": "SNV", "INDEL": "indel"}


def main() -> None:
    """Parse arguments, call everything, write `accuracy.md` and `accuracy.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compare", type=Path, required=True, help="compare_vcf.py")
    parser.add_argument("--data", type=Path, help="folder of real sequencing data")
    parser.add_argument(
        "--simulated", type=Path, action="append", default=[], help="from simulate_human.py --bam"
    )
    parser.add_argument("--fasta", type=Path, help="reference of the simulated data")
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    arguments.output.mkdir(parents=True, exist_ok=True)

    chosen = real_datasets(arguments.data, arguments.cache) if arguments.data else []
    chosen += [simulated_dataset(folder, arguments.fasta) for folder in arguments.simulated]
    rows = []
    for dataset in chosen:
        with tempfile.TemporaryDirectory(dir=arguments.cache) as work:
            for aligner, bam, calls in alignments_and_calls(dataset, Path(work)):
                sets = {"baselake": calls} | peer_calls(dataset, bam, Path(work) / aligner)
                rows += [
                    {"data": dataset.name, "where": where, "alignments": aligner, "caller": caller} | score
                    for where, bed in dataset.beds
                    for caller, called in sets.items()
                    for score in compare(arguments.compare, dataset, bed, caller, called)
                ]
    (arguments.output / "accuracy.json").write_text(json.dumps(rows, indent=1))
    text = as_markdown(rows)
    (arguments.output / "accuracy.md").write_text(text)
    print(text)


def alignments_and_calls(dataset: Dataset, work: Path) -> list[tuple[str, Path, Path]]:
    """Whose alignments, the BAM, and what baselake calls on them; ours only where there are reads."""
    found = [("theirs", dataset.bam, run_baselake(dataset, [dataset.bam], work / "theirs"))]
    if dataset.reads:
        calls = run_baselake(dataset, list(dataset.reads), work / "ours")
        found.append(("ours", calls.with_name("alignments.bam"), calls))
    return found


def run_baselake(dataset: Dataset, inputs: list[Path], folder: Path) -> Path:
    """Ingest, call and export with the commands a user types; the VCF, with `alignments.bam` beside it."""
    folder.mkdir()
    command = [str(Path(sys.executable).parent / "baselake"), "--lake", str(folder / "lake")]
    calls = folder / "baselake.vcf.gz"
    for words in (
        ["init"],
        ["reference", "add", str(dataset.fasta), "--name", "reference"],
        ["ingest", *map(str, inputs), *(["--sample", dataset.sample] if len(inputs) > 1 else [])],
        ["call", dataset.sample],
        ["export", "vcf", "--sample", dataset.sample, "-o", str(calls)],
        ["export", "bam", "--sample", dataset.sample, "-o", str(calls.with_name("alignments.bam"))],
    ):
        subprocess.run([*command, *words], check=True, stdout=sys.stderr)
    return calls


def peer_calls(dataset: Dataset, bam: Path, folder: Path) -> dict[str, Path]:
    """VCFs of bcftools and freebayes with their usual options."""
    folder.mkdir(exist_ok=True)
    scripts = {
        "bcftools": f"bcftools mpileup -a AD,DP -f {dataset.fasta} {bam} | bcftools call -mv -Oz -o",
        "freebayes": f"freebayes -f {dataset.fasta} {bam} | bcftools view -Oz -o",
    }
    found = {}
    for name, script in scripts.items():
        found[name] = folder / f"{name}.vcf.gz"
        whole = f"{script} {found[name]} && bcftools index -t {found[name]}"
        subprocess.run(["bash", "-eo", "pipefail", "-c", whole], check=True, stderr=subprocess.DEVNULL)
    return found


def compare(script: Path, dataset: Dataset, bed: Path, caller: str, calls: Path) -> list[dict[str, object]]:
    """Counts by kind of variant from the comparison script."""
    command = [sys.executable, str(script), "--reference", str(dataset.fasta), "--truth", str(dataset.truth)]
    command += ["--calls", str(calls), "--bed", str(bed), "--json"]
    if caller != "baselake":
        command += ["--min-qual", _LEAST_QUAL]
    found = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ
    )
    counts: Mapping[str, Mapping[str, object]] = json.loads(found.stdout)
    return [{"kind": name, **counts[key]} for key, name in _KINDS.items()]


def as_markdown(rows: list[dict[str, object]]) -> str:
    """One line per data set, place, alignments, kind and caller."""
    lines = [
        "# Accuracy",
        "",
        "| data | where | alignments | kind | caller | TP | FP | FN | recall | precision | F1 |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    order = {kind: rank for rank, kind in enumerate(_KINDS.values())}
    names = list(dict.fromkeys((row["data"], row["where"], row["alignments"]) for row in rows))
    for group in names:
        members = [row for row in rows if (row["data"], row["where"], row["alignments"]) == group]
        for row in sorted(members, key=lambda row: order[str(row["kind"])]):
            shares = ["-" if row[key] is None else f"{row[key]:.4f}" for key in ("recall", "precision", "f1")]
            cells = [*group, row["kind"], row["caller"], row["tp"], row["fp"], row["fn"], *shares]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
