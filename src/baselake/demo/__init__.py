"""The demo: a small genome with known variants, sequenced, called, and compared with what was planted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from baselake.api import Lake, open_lake
from baselake.creation import create_lake
from baselake.demo.genome import CONTIG_LENGTHS, Bases, synthetic_genome, write_fasta
from baselake.demo.reads import Run, simulate_reads
from baselake.demo.sequencer import write_sequenced
from baselake.demo.truth import Score, compare
from baselake.demo.variants import Allele, VariantRates, haplotype, plant, write_vcf
from baselake.errors import ConflictError
from baselake.ingest.watch.daemon import Daemon
from baselake.ingest.watch.monitor import PrometheusMonitor
from baselake.ingest.watch.processes import Processes
from baselake.ingest.watch.settings import WatchSettings
from baselake.progress import Progress

SAMPLE = "DEMO1"
RUN_ID = "260131_BLSIM01_0001_HBASELAKE"
REFERENCE = "demo"
QUERY = """\
SELECT contig, type, count(*) AS alleles, count(*) FILTER (alt_copies = 2) AS homozygous,
       round(avg(dp), 1) AS mean_depth, min(gq) AS lowest_gq
FROM calls WHERE len(filters) = 0
GROUP BY contig, type ORDER BY contig, type"""

# Least recall and precision by kind; the demo fails below. Measured: 0.998 and 0.999, 0.992 and 1, 0.989 and 0.996.
PROMISED: Mapping[str, tuple[float, float]] = {
    "snv": (0.99, 0.99),
    "insertion": (0.96, 0.97),
    "deletion": (0.96, 0.97),
}

_SEED = 20
_DEPTH = 30.0  # of a diploid contig
_MITOCHONDRIAL_DEPTH = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo found.

    Attributes:
        lake: folder of the lake that was made.
        scores: recall and precision by kind of variant.
        rows: result of `QUERY`.
        passed: true where every score is at least as good as `PROMISED`.
    """

    lake: Path
    scores: tuple[Score, ...]
    rows: pa.Table
    passed: bool


def run_demo(folder: Path, progress: Progress) -> DemoResult:
    """Plant variants in a genome, sequence it, have the daemon import the run, call the variants and compare.

    The person is male: X and Y are haploid. Everything is seeded, so every run gives the same reads.

    Args:
        folder: where genome, reads and lake go; made where absent.
        progress: where steps are shown.

    Raises:
        ConflictError: the folder is there and not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConflictError("the folder is not empty", str(folder), "Name another one, or delete it")
    folder.mkdir(parents=True, exist_ok=True)

    progress.note("Making a genome and planting variants")
    genome = synthetic_genome(CONTIG_LENGTHS, seed=_SEED)
    planted = _plant(genome)
    write_fasta(folder / "genome.fa", genome)
    write_vcf(folder / "planted.vcf.gz", planted, CONTIG_LENGTHS, SAMPLE)
    progress.note(f"  {sum(CONTIG_LENGTHS.values()):,} bases, {len(planted):,} alleles planted")

    share = folder / "instruments"
    with progress.task(f"sequence {SAMPLE} as {share / RUN_ID}"):
        _sequence(share / RUN_ID, genome, planted)

    progress.note(f"baselake init, reference add, watch, align, call in {folder / 'lake'}")
    create_lake(folder / "lake")
    with open_lake(folder / "lake", progress=progress) as lake:
        lake.add_reference(folder / "genome.fa", REFERENCE)
        _watch(lake, share, progress)
        lake.describe_sample(SAMPLE, sex="male")
        lake.align([SAMPLE], REFERENCE)
        lake.call([SAMPLE], REFERENCE)
        lake.export_vcf(folder / "calls.vcf.gz", SAMPLE, reference=REFERENCE)
        rows = lake.sql(QUERY)
        called = lake.sql("SELECT * FROM calls WHERE len(filters) = 0")
    scores = tuple(compare(planted, called, genome))
    return DemoResult(lake=folder / "lake", scores=scores, rows=rows, passed=_passed(scores))


def _copies(contig: str) -> int:
    """Copies of a contig in a man; the mitochondrion is planted without heteroplasmy."""
    return 1 if contig in ("chrX", "chrY", "chrM") else 2


def _plant(genome: Mapping[str, Bases]) -> list[Allele]:
    planted = []
    for number, (contig, bases) in enumerate(genome.items()):
        planted += plant(contig, bases, ploidy=_copies(contig), rates=VariantRates(), seed=_SEED + number)
    return planted


def _sequence(run_folder: Path, genome: Mapping[str, Bases], planted: list[Allele]) -> None:
    haplotypes, depths = [], []
    for contig, bases in genome.items():
        alleles = [allele for allele in planted if allele.contig == contig]
        for copy in range(_copies(contig)):
            haplotypes.append(haplotype(bases, alleles, copy))
            depths.append(_MITOCHONDRIAL_DEPTH if contig == "chrM" else _DEPTH / 2)
    run = Run()
    reads = simulate_reads(haplotypes, depths, run=run, seed=_SEED)
    write_sequenced(run_folder, {SAMPLE: reads}, run=run, seed=_SEED)


def _watch(lake: Lake, share: Path, progress: Progress) -> None:
    """What `baselake watch SHARE --once` does, of a share whose runs are known to be written."""
    settings = WatchSettings(poll=0.2, settle=0.2, reserve=0)
    daemon = Daemon(
        catalog=lake.catalog,
        root=share,
        settings=settings,
        log=progress.note,
        monitor=PrometheusMonitor(),
        processes=Processes(lake=lake.catalog.layout.root, options=settings.options),
    )
    daemon.run(once=True)


def _passed(scores: tuple[Score, ...]) -> bool:
    for score in scores:
        recall, precision = PROMISED[score.kind]
        if score.recall < recall or score.precision < precision:
            return False
    return True
