"""SIGKILL at any moment: the lake is as before or as after, and the next run completes it."""

import random
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from baselake.catalog.catalog import connect
from baselake.config import Config
from baselake.demo.genome import synthetic_genome, write_fasta
from baselake.demo.reads import Run, simulate_run
from baselake.demo.variants import VariantRates, haplotype, plant
from baselake.progress import QUIET

from .commands import baselake, start

TABLES = (
    "read_records",
    "alignments",
    "genotypes",
    "variants",
    "samples",
    "runs",
    "read_groups",
    "source_files",
)
STAGES = ("ingest", "align", "call")
KILLS = 5


def state(lake: Path, config: Config) -> dict[str, int]:
    """Rows of every table, by a reader that has not been there before."""
    with connect(lake, config, read_only=True) as catalog:
        return {
            table: catalog.query(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py()
            for table in (*TABLES, "lineage")
        }


def leftovers(lake: Path, config: Config) -> set[str]:
    """Files in the lake that nothing refers to."""
    with connect(lake, config, read_only=True) as catalog:
        rows = catalog.query("SELECT path FROM __ducklake_metadata_lake.ducklake_data_file")[
            "path"
        ].to_pylist()
    known = {Path(path).name for path in rows}
    scratch = {
        str(path)
        for folder in ("jobs", "scratch")
        for path in (lake / folder).glob("*")
        if path.name != "duckdb"
    }
    return {path.name for path in (lake / "data").rglob("*.parquet")} - known | scratch


@pytest.fixture(scope="module")
def reads(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sequence[Path]]:
    """A genome of 60 kb and a paired run of it."""
    folder = tmp_path_factory.mktemp("run")
    genome = synthetic_genome({"chr1": 60_000}, seed=7)
    planted = plant("chr1", genome["chr1"], ploidy=2, rates=VariantRates(), seed=7)
    write_fasta(folder / "genome.fa", genome)
    haplotypes = [haplotype(genome["chr1"], planted, copy) for copy in (0, 1)]
    return folder / "genome.fa", simulate_run(
        folder, "S1", haplotypes, [15.0, 15.0], run=Run(), seed=7, progress=QUIET
    )


@pytest.fixture(scope="module")
def stages(
    reads: tuple[Path, Sequence[Path]], tmp_path_factory: pytest.TempPathFactory, config: Config
) -> Iterator[dict[str, tuple[Path, list[str], float, dict[str, int]]]]:
    """For each stage: a lake just before it, its command, the seconds it takes and the rows there are after it."""
    folder = tmp_path_factory.mktemp("stages")
    fasta, fastq = reads
    lake = folder / "lake"
    baselake(lake, "init")
    baselake(lake, "reference", "add", fasta, "--name", "ref")
    commands = {"ingest": [*map(str, fastq), "--sample", "S1"], "align": ["S1"], "call": ["S1"]}
    found = {}
    for stage in STAGES:
        before = folder / f"before-{stage}"
        shutil.copytree(lake, before)
        started = time.monotonic()
        baselake(lake, stage, *commands[stage])
        found[stage] = (before, [stage, *commands[stage]], time.monotonic() - started, state(lake, config))
    yield found
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_stage_is_undone_and_done_again(
    stages: dict[str, tuple[Path, list[str], float, dict[str, int]]],
    stage: str,
    tmp_path: Path,
    config: Config,
) -> None:
    template, command, seconds, after = stages[stage]
    rng = random.Random(stage)
    lake = Path(shutil.copytree(template, tmp_path / "lake"))
    before = state(lake, config)
    for kill in range(KILLS):
        process = start(lake, *command)
        # Evenly over the run, with the last moments, where the commit is, tried more often.
        time.sleep(seconds * (1 - (1 - (kill + rng.random()) / KILLS) ** 2))
        process.kill()
        process.communicate()
        now = state(lake, config)
        assert now in (before, after)
        if now == after:
            shutil.rmtree(lake)
            shutil.copytree(template, lake)
    baselake(lake, *command)
    assert state(lake, config) == after
    assert leftovers(lake, config) == set()
