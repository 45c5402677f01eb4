"""Real variants of HG001 planted into chromosome 20, sequenced in several ways, and called by three callers.

    python benchmarks/planted.py --compare ../shared/tools/compare_vcf.py --data ../shared/data --plots docs/accuracy

Each set is a window of 3 Mb and a way to sequence it (`SETS`). Reads and alignments are made once and kept in the
cache; what is called is called anew when its file is gone. Callers get the same alignments, of bwa mem. Calls of
baselake count where FILTER is PASS; those of bcftools and freebayes as they are written and with QUAL >= 20, and of
the two the better F1 of its kind is shown. Writes `planted.json`, `planted.md` and plots as SVG.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from accuracy import peer_calls, run_baselake
from contexts import CONTEXTS, SIZES, Share, by_class
from datasets import simulated_dataset
from plots import grouped_bars, lines
from simulate_human import simulate

CALLERS = ("baselake", "bcftools", "freebayes")
_PEERS_QUAL = "20"
_SAMPLE = "HG001SIM"
_PLOTTED_DEPTH = 30  # of the plots by size and by repeat


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedSet:
    """A window, and how it is sequenced.

    Attributes:
        name: of its folder.
        title: as tables have it.
        window: region, 1-based inclusive.
        depth: mean coverage.
        profile: whose qualities, as `simulate_human.py` names them.
        slippage: 1 as in a PCR-free library, 3 with ten cycles of PCR.
    """

    name: str
    title: str
    window: str
    depth: float
    profile: str
    slippage: float


_PCR_FREE, _WITH_PCR = "20:3,000,001-6,000,000", "20:38,000,001-40,000,000"
_DEEP = "20:3,000,001-4,500,000"  # half of it: aligning takes longest
SETS = (
    *(
        PlantedSet(
            name=f"free{depth}",
            title=f"PCR-free, 2x151, {depth}x",
            window=window,
            depth=depth,
            profile="trio",
            slippage=1,
        )
        for depth, window in ((10, _PCR_FREE), (30, _PCR_FREE), (60, _DEEP))
    ),
    PlantedSet(
        name="pcr30", title="PCR, 2x101, 30x", window=_WITH_PCR, depth=30, profile="platinum", slippage=3
    ),
)
"""What is reported. No constant of the caller was chosen on these windows."""

CHOSEN_ON = PlantedSet(
    name="dev",
    title="chosen on: 2x151, 30x",
    window="20:45,000,001-47,500,000",
    depth=30,
    profile="trio",
    slippage=2,
)
"""Where changes of the caller are tried."""

Shares = Mapping[tuple[str, str], Share]


def main() -> None:
    """Parse arguments; make, call, compare, plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compare", type=Path, required=True, help="compare_vcf.py")
    parser.add_argument("--data", type=Path, required=True, help="folder of real sequencing data")
    parser.add_argument("--fasta", type=Path, default=Path(".cache/chr20.fa"), help="written where absent")
    parser.add_argument("--cache", type=Path, default=Path(".cache/planted"))
    parser.add_argument(
        "--set", action="append", help="only these, by name; 'dev' is asked for by name alone"
    )
    parser.add_argument("--plots", type=Path, help="folder for SVG files")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)

    chosen = [one for one in (*SETS, CHOSEN_ON) if one.name in (arguments.set or [s.name for s in SETS])]
    found = {}
    for one in chosen:
        folder = make(one, arguments.data, arguments.fasta, arguments.cache)
        calls = call(folder, arguments.fasta)
        found[one] = {
            name: better(arguments.compare, arguments.fasta, folder, name, path)
            for name, path in calls.items()
        }
        print(table(one, found[one]))
    (arguments.output / "planted.md").write_text("\n".join(table(one, found[one]) for one in chosen))
    (arguments.output / "planted.json").write_text(json.dumps(as_rows(found), indent=1))
    if arguments.plots:
        arguments.plots.mkdir(parents=True, exist_ok=True)
        for name, picture in plotted(found).items():
            (arguments.plots / f"{name}.svg").write_text(picture)


def make(one: PlantedSet, data: Path, fasta: Path, cache: Path) -> Path:
    """The folder of a set's truth, reads and alignments, made where absent."""
    folder = cache / one.name
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            simulate(
                data,
                fasta,
                one.window,
                Path(work) / one.name,
                depth=one.depth,
                profile=one.profile,
                slippage=one.slippage,
                sample=_SAMPLE,
                seed=round(one.depth),
                aligned=True,
            )
            (Path(work) / one.name).rename(folder)
    return folder


def call(folder: Path, fasta: Path) -> dict[str, Path]:
    """Calls of a set by all callers, made where absent."""
    calls = {name: folder / f"{name}.vcf.gz" for name in CALLERS}
    dataset = simulated_dataset(folder, fasta)
    if not calls["baselake"].exists():
        with tempfile.TemporaryDirectory(dir=folder) as work:
            made = run_baselake(dataset, [dataset.bam], Path(work) / "baselake")
            shutil.move(made, calls["baselake"])
    if not all(calls[name].exists() for name in CALLERS[1:]):
        with tempfile.TemporaryDirectory(dir=folder) as work:
            for name, made in peer_calls(dataset, dataset.bam, Path(work) / "peers").items():
                shutil.move(made, calls[name])
    return calls


def better(script: Path, fasta: Path, folder: Path, caller: str, calls: Path) -> dict[tuple[str, str], Share]:
    """A call set's shares; a peer's of SNVs and of indels at the threshold that gives the better F1 for them all."""
    against = fasta, folder / "truth.vcf.gz", folder / "confident.bed", calls
    whole = by_class(script, *against, None)
    if caller == "baselake":
        return whole
    strict = by_class(script, *against, _PEERS_QUAL)
    best = {
        kind: max((whole, strict), key=lambda shares: shares["kind", kind].f1 or 0)
        for kind in ("SNV", "indel")
    }
    out = {}
    for key in whole:
        snv = key in (("kind", "SNV"), ("size", "substitution")) or key[0] == "SNV in"
        out[key] = best["SNV" if snv else "indel"].get(key, Share(truth=0, missed=0, false=0))
    return out


def table(one: PlantedSet, found: Mapping[str, Shares]) -> str:
    """Markdown: recall, precision and F1 of each caller by class."""
    lines = [f"## {one.title}, {one.window}", ""]
    lines.append("| variant | | truth |" + "".join(f" {name}: recall | precision | F1 |" for name in found))
    lines.append("|---|---|---|" + "---|---|---|" * len(found))
    for key, share in found["baselake"].items():
        shares = [shares.get(key, Share(truth=share.truth, missed=0, false=0)) for shares in found.values()]
        cells = [_shown(x) for each in shares for x in (each.recall, each.precision, each.f1)]
        lines.append(f"| {' | '.join([*key, str(share.truth), *cells])} |")
    return "\n".join(lines) + "\n"


def as_rows(found: Mapping[PlantedSet, Mapping[str, Shares]]) -> list[dict[str, object]]:
    """Every number, one row for each set, caller and class."""
    return [
        {"set": one.name, "caller": caller, "by": key[0], "class": key[1], **asdict(share)}
        for one, callers in found.items()
        for caller, shares in callers.items()
        for key, share in shares.items()
    ]


def plotted(found: Mapping[PlantedSet, Mapping[str, Shares]]) -> dict[str, str]:
    """The plots of what was found, by file name without its ending."""
    pictures = {}
    by_depth = sorted(
        (one for one in found if one.profile == "trio" and one is not CHOSEN_ON), key=lambda one: one.depth
    )
    if len(by_depth) > 1:
        for kind in ("SNV", "indel"):
            pictures[f"depth-{kind.lower()}"] = lines(
                f"{kind}s by depth: F1",
                {
                    name: [(one.depth, found[one][name]["kind", kind].f1 or 0) for one in by_depth]
                    for name in CALLERS
                },
                x="mean depth",
                y="F1",
            )
    for one, callers in ((one, found[one]) for one in found if one.depth == _PLOTTED_DEPTH):
        sizes = [("size", name) for _, name in SIZES]
        contexts = [("indel in", name) for name in CONTEXTS]
        for what, keys in (("size", sizes), ("context", contexts)):
            pictures[f"{one.name}-{what}"] = grouped_bars(
                f"{one.title}: F1 by {what}{' of indels' if what == 'context' else ''}",
                [
                    (name, callers["baselake"].get((by, name), Share(truth=0, missed=0, false=0)).truth)
                    for by, name in keys
                ],
                {
                    caller: [shares[key].f1 if key in shares else None for key in keys]
                    for caller, shares in callers.items()
                },
            )
    return pictures


def _shown(share: float | None) -> str:
    return "-" if share is None else f"{share:.4f}"


if __name__ == "__main__":
    main()
