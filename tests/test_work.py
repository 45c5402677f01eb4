"""The unattended system: a run folder comes in, variants come out, whatever happens to the workers."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from baselake.catalog.catalog import connect
from baselake.catalog.work.inputs import stage_inputs
from baselake.config import Config
from baselake.demo.genome import synthetic_genome, write_fasta
from baselake.demo.reads import Run, simulate_reads
from baselake.demo.run_folder import instrument_order
from baselake.demo.sequencer import write_sequenced
from baselake.demo.variants import VariantRates, haplotype, plant

from .commands import BASELAKE, baselake

RUN_ID = "260131_BLSIM01_0001_HFOLDER"
SAMPLES = ("S1", "S2")
KILLS = 5
PATIENCE = 900
VARIANTS = "SELECT sample_id, * EXCLUDE (sample_id) FROM calls ORDER BY ALL"
WORK = ("work", "--interval", "0.2", "--lease", "2", "--retry-after", "0")
WATCH = ("watch", "--interval", "0.2", "--settle", "0.5", "--metrics-port", "0", "--reserve", "0")

pytestmark = pytest.mark.timeout(4 * PATIENCE)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genome of 20 kb and a run folder of two people."""
    folder = tmp_path_factory.mktemp("inputs")
    genome = synthetic_genome({"chr1": 20_000}, seed=11)
    write_fasta(folder / "genome.fa", genome)
    run = Run(flowcell="HFOLDER")
    reads = {}
    for seed, sample in enumerate(SAMPLES):
        planted = plant("chr1", genome["chr1"], ploidy=2, rates=VariantRates(), seed=seed)
        copies = [haplotype(genome["chr1"], planted, copy) for copy in (0, 1)]
        reads[sample] = simulate_reads(copies, [10.0, 10.0], run=run, seed=seed)
    write_sequenced(folder / RUN_ID, reads, run=run, seed=1)
    return folder


@pytest.fixture
def referenced(lake: Path, inputs: Path) -> Path:
    """A lake with the genome."""
    baselake(lake, "reference", "add", inputs / "genome.fa", "--name", "ref")
    return lake


class Service:
    """A process that is started again when it was killed, as systemd does it."""

    def __init__(self, lake: Path, log: Path, node: str, *command: str | Path) -> None:
        self.command = [*BASELAKE, *map(str, command)]
        self.log = log
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("BASELAKE_")},
            "BASELAKE_LAKE": str(lake),
            "BASELAKE_NODE": node,
            "BASELAKE_THREADS": "1",
        }
        self.process = self._started()

    def _started(self) -> "subprocess.Popen[bytes]":
        with open(self.log, "ab") as log:
            return subprocess.Popen(self.command, stderr=log, stdout=log, env=self.environment)

    def killed(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = self._started()

    def ended(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=PATIENCE) == 0, self.log.read_text()


@contextmanager
def services(*started: Service) -> Iterator[None]:
    try:
        yield
    finally:
        for service in started:
            if service.process.poll() is None:
                service.process.kill()
                service.process.wait()


def done(lake: Path, config: Config) -> bool:
    """Whether both samples are called and measured."""
    with connect(lake, config, read_only=True) as catalog:
        rows = catalog.query("SELECT DISTINCT sample_id FROM sample_qc")
    return rows.num_rows == len(SAMPLES)


def variants(lake: Path) -> list[str]:
    return baselake(lake, "sql", VARIANTS, "--format", "csv").stdout.splitlines()


@pytest.mark.slow
def test_a_run_becomes_variants_unasked_whatever_happens_to_a_worker(
    referenced: Path, inputs: Path, tmp_path: Path, empty_lake: Path, config: Config
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    lake, dice = referenced, random.Random(4)
    log = tmp_path / "log"
    watch = Service(lake, log, "node-a", *WATCH[:1], share, *WATCH[1:])
    sound, mortal = (Service(lake, log, node, *WORK) for node in ("node-a", "node-b"))
    with services(watch, sound, mortal):
        for path in instrument_order(inputs / RUN_ID):
            to = share / RUN_ID / path.relative_to(inputs / RUN_ID)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to)
            time.sleep(0.002)
        kills, deadline = 0, time.monotonic() + PATIENCE
        while kills < KILLS or not done(lake, config):
            assert time.monotonic() < deadline, log.read_text()[-5000:]
            time.sleep(dice.uniform(0.2, 3.0))
            if kills < KILLS:
                mortal.killed()
                kills += 1
        for service in (watch, sound, mortal):
            service.ended()

    by_hand = Path(shutil.copytree(empty_lake, tmp_path / "by-hand"))
    baselake(by_hand, "reference", "add", inputs / "genome.fa", "--name", "ref")
    baselake(by_hand, "ingest", inputs / RUN_ID)
    baselake(by_hand, "call")
    assert len(variants(by_hand)) > 20
    assert variants(lake) == variants(by_hand), log.read_text()[-5000:]
    said = baselake(lake, "status").stderr
    assert "that were read to align, call and measure 100.0% lay near" in said
    assert "waits" not in said


def test_workers_take_what_lies_on_their_node(
    referenced: Path, inputs: Path, tmp_path: Path, config: Config
) -> None:
    """Node a has the reads; node b leaves them to it for as long as it is patient, and takes them after that."""
    lake = referenced
    baselake(lake, "ingest", inputs / RUN_ID)
    baselake(lake, "tiers", "set", "hot", "--zone", "node-a")
    log = tmp_path / "log"
    far = Service(lake, log, "node-b", *WORK, "--patience", "9999")
    near = Service(lake, log, "node-a", *WORK)
    with services(far, near):
        deadline = time.monotonic() + PATIENCE
        while "of 2" not in _measured(lake):
            assert time.monotonic() < deadline, log.read_text()[-5000:]
            time.sleep(0.5)
        far.ended()
        near.ended()
    with connect(lake, config, read_only=True) as catalog:
        rows = catalog.query(
            "SELECT DISTINCT node, bytes_near > 0 AS near, bytes_far AS far FROM lineage"
            " WHERE operation IN ('align', 'call', 'qc')"
        )
    assert rows.to_pylist() == [{"node": "node-a", "near": True, "far": 0}]
    for node in ("node-a", "node-b"):
        with connect(lake, replace(config, node=node), read_only=True) as catalog:
            for stage in ("align", "call", "qc"):
                for bytes_ in stage_inputs(catalog, stage, SAMPLES).values():
                    assert bytes_.share == (node == "node-a")
                    assert bytes_.near + bytes_.far > 0


def _measured(lake: Path) -> str:
    rows = baselake(lake, "sql", "SELECT count(DISTINCT sample_id) AS n FROM sample_qc", "--format", "csv")
    return f"of {rows.stdout.split()[1]}"


def test_a_sample_that_cannot_be_done_is_left_with_its_error_and_the_others_are_done(
    referenced: Path, inputs: Path
) -> None:
    lake = referenced
    sheet = (inputs / RUN_ID / "SampleSheet.csv").read_text()
    nobody = f"{sheet}EMPTY,AACCGGTT,TTGGCCAA\n"
    (inputs / "sheet.csv").write_text(nobody)
    baselake(lake, "ingest", inputs / RUN_ID, "--sample-sheet", inputs / "sheet.csv")
    baselake(lake, "work", "--once", "--tries", "2", "--retry-after", "0")
    assert _measured(lake) == "of 2"
    said = baselake(lake, "status").stderr
    assert "align of EMPTY on ref: failed 2 times; the last try failed: " in said
    assert "sample 'EMPTY' has no reads" in said
    baselake(lake, "work", "--retry", "EMPTY")
    assert "align of EMPTY on ref: failed" not in baselake(lake, "status").stderr
