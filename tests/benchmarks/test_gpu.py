"""The GPU's benchmark runs, and ends where results differ."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pysam
import pytest

from baselake.compute import device

from ..compute.slices import alignments_of
from ..cuda_emulation.device import Machine
from .modules import benchmark


@pytest.fixture(scope="module")
def module() -> ModuleType:
    benchmark("synthetic")
    return benchmark("gpu")


SMALL = ["--pairs", "40", "--megabytes", "1", "--blocks", "1", "--rounds", "1", "--bases", "0"]


@pytest.fixture(autouse=True)
def emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "array_module", lambda: Machine().module)


def test_every_part_is_printed(module: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    module.main(SMALL)
    out = capsys.readouterr().out
    assert "emulated, 1 multiprocessors" in out
    for row in (
        "| to the device |",
        "| 11 | pairhmm_float_2 |",
        "| 255 | pairhmm_float_32 |",
        "| 8 pairs |",
        "| 8 tables |",
        "| qualities, 1 blocks of 1 MiB |",
        "| bases, 1 blocks of 1 MiB |",
    ):
        assert row in out


def test_the_quick_run_calls_a_made_chromosome_from_lake_to_lake(
    module: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    module.main(["--emulated", "--quick"])
    out = capsys.readouterr().out
    assert "| made, 30x | 240,000 |" in out
    for kernel in ("decode_streams", "pileup_unfold", "pileup_merge", "pileup_count", "pairhmm_float"):
        assert f"| made, 30x: {kernel}" in out


def test_a_made_chromosome_differs_as_a_person_does(module: ModuleType, tmp_path: Path) -> None:
    del module
    fasta, bam = benchmark("synthetic").make(tmp_path, 50_000, 20)
    with pysam.FastaFile(str(fasta)) as reference, pysam.AlignmentFile(str(bam)) as reads:
        assert reference.lengths == [50_000]
        records = list(reads.fetch("made"))
    assert sum(read.query_length for read in records) == pytest.approx(1_000_000, rel=0.01)
    assert {read.cigarstring for read in records} > {"150M"}
    assert [read.reference_start for read in records] == sorted(read.reference_start for read in records)


def test_a_difference_ends_it(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = np.zeros(40, np.float32)
    monkeypatch.setattr(module, "gpu_costs", lambda *_: wrong)
    with pytest.raises(SystemExit, match="PairHMM, band 11: the GPU gives other results"):
        module.main(SMALL)


def test_alignments_are_read_as_the_accuracy_tests_read_them(module: ModuleType, shared_data: Path) -> None:
    bam = shared_data / "accuracy_NA12878_chr20" / "NA12878_S1.chr20.10_10p1mb.bam"
    rows = module.alignments(bam, "chr20", 10_000_000, 10_001_000)
    assert rows.equals(alignments_of(bam, "chr20", 10_000_000, 10_001_000).select(rows.column_names))
    assert rows.num_rows > 100


def test_the_slice_is_called_and_compared(
    module: ModuleType, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shared_data / "accuracy_NA12878_chr20"
    bam, fasta = folder / "NA12878_S1.chr20.10_10p1mb.bam", folder / "ucsc.hg19.chr20.unittest.fasta.gz"
    gpu = module.TimedGpu(device.array_module(), 0)
    module.calling(gpu, 1, [("two kilobases", bam, fasta, "chr20", 10_000_000, 10_002_000)])
    assert "| two kilobases | 1," in capsys.readouterr().out
