"""Calling with a GPU gives the rows that the CPU gives, also where the GPU fails on the way."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from baselake.api import Lake, open_lake
from baselake.catalog.catalog import connect
from baselake.catalog.references import add_reference, open_reference
from baselake.compute import device
from baselake.compute.call import call_samples
from baselake.compute.device import Gpu
from baselake.compute.pileup import genotype_region
from baselake.compute.pileup.reference import Alignment
from baselake.config import Config

from ..cuda_emulation import direct
from ..cuda_emulation.device import EmulationError, Kernel, Machine
from .reads import as_bases, as_table, random_contig, reads_with
from .slices import alignments_of, contig_of
from .test_call import Notes, add_sample, write_alignments
from .test_call_accuracy import fasta, slice_folder

__all__ = ["fasta", "slice_folder"]  # fixtures

CONTIG = random_contig(6000, 7)
# A deletion, an insertion beside a substitution, and a deletion that alignments show by their clips alone.
ALLELES = (
    [(1500, 4, "")],
    [(3000, 0, "GATTACA"), (3012, 1, "ACGT"["CGTA".index(CONTIG[3012])])],
    [(4500, 90, "")],
)


def carrying_reads() -> list[Alignment]:
    reads: list[Alignment] = []
    for number, changes in enumerate(ALLELES):
        starts = range(changes[0][0] - 95, changes[0][0] - 5, 4)
        reads += reads_with(CONTIG, changes, starts=starts, label=f"a{number}-")
        reads += reads_with(CONTIG, [], starts=starts, label=f"r{number}-")
    return [replace(read, cigar=re.sub(r"90D(\d+)M", r"\1S", read.cigar)) for read in reads]


def test_a_region_is_called_alike(gpu: Gpu) -> None:
    table, bases = as_table(carrying_reads()), as_bases(CONTIG)
    for ploidy in (1, 2, 4):
        expected = genotype_region(table, bases, 0, len(CONTIG), ploidy=ploidy)
        found = genotype_region(table, bases, 0, len(CONTIG), ploidy=ploidy, gpu=gpu)
        assert found.calls.equals(expected.calls)
        assert found.blocks.equals(expected.blocks)
        assert (found.simple, found.realigned, found.assembled) == (
            expected.simple,
            expected.realigned,
            expected.assembled,
        )
        assert expected.realigned + expected.assembled > 0


def test_a_region_without_anything_is_called_alike(gpu: Gpu) -> None:
    empty, bases = as_table(carrying_reads()).slice(0, 0), as_bases(CONTIG)
    found = genotype_region(empty, bases, 100, 900, gpu=gpu)
    assert found.calls.num_rows == 0
    assert found.blocks.equals(genotype_region(empty, bases, 100, 900).blocks)


def test_na12878_is_called_alike(slice_folder: Path, fasta: Path, gpu: Gpu, kilobases: int) -> None:
    start, end = 9_999_000, 10_001_000 + 1000 * kilobases
    rows = alignments_of(slice_folder / "NA12878_S1.chr20.10_10p1mb.bam", "chr20", start, end)
    bases = contig_of(fasta, "chr20")
    expected, found = (
        genotype_region(rows, bases, start, end),
        genotype_region(rows, bases, start, end, gpu=gpu),
    )
    assert found.calls.equals(expected.calls)
    assert found.blocks.equals(expected.blocks)
    assert expected.calls.num_rows > 2 * kilobases
    assert min(found.realigned, found.assembled) > kilobases // 10


# From stored columns to depths and differing bases.
WALK = {"pileup_unfold", "pileup_gather", "pileup_count", "pileup_differences"}
TABLES = ("genotypes", "variants", "reference_blocks")


def rows_of(lake: Lake) -> dict[str, list[dict]]:
    """All that calling writes."""
    return {table: lake.sql(f"SELECT * FROM {table} ORDER BY ALL").to_pylist() for table in TABLES}


def computed_on(lake: Lake) -> list[str]:
    """The devices of the callings, as lineage tells them."""
    rows = lake.sql("SELECT device FROM lineage WHERE operation = 'call' ORDER BY started").to_pylist()
    return [row["device"] for row in rows]


def copied(
    original: Path, copy: Path, call: Callable[[Lake], None]
) -> tuple[dict[str, list[dict]], list[str]]:
    """What a copy of a lake holds once its samples are called."""
    shutil.copytree(original, copy)
    with open_lake(copy) as lake:
        call(lake)
        return rows_of(lake), computed_on(lake)


def called(
    original: Path, copy: Path, asked: str, notes: Notes | None = None
) -> tuple[dict[str, list[dict]], list[str]]:
    """The same, of the sample S1, which has no reads but alignments."""

    def call(lake: Lake) -> None:
        reference = open_reference(lake.catalog, "tiny")
        gpus = device.choose_devices(asked)
        call_samples(lake.catalog, ["S1"], reference, progress=notes or Notes(), gpus=gpus)

    return copied(original, copy, call)


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The only GPU that `--device gpu` finds."""
    machine = Machine()
    monkeypatch.setattr(device, "array_module", lambda: machine.module)
    return machine


@pytest.fixture
def small(lake: Path, config: Config, tmp_path: Path) -> Path:
    """A lake with the alignments of one sample."""
    fasta = tmp_path / "tiny.fa"
    fasta.write_text(f">chr1\n{CONTIG}\n")
    with connect(lake, config) as catalog:
        add_reference(catalog, fasta, "tiny")
        add_sample(catalog, "S1", "female")
        write_alignments(catalog, "S1", "chr1", carrying_reads())
    return lake


def test_a_lakes_rows_are_those_of_the_cpu(small: Path, tmp_path: Path, emulated: Machine) -> None:
    on_cpu, cpu = called(small, tmp_path / "cpu", "cpu")
    on_gpu, gpu = called(small, tmp_path / "gpu", "gpu")
    assert on_gpu == on_cpu
    assert len(on_cpu["genotypes"]) == 4
    assert (cpu, gpu) == (["cpu"], ["gpu:0"])
    assert {name.rpartition("_")[0] for name in emulated.launched} >= {"pairhmm_float", "smithwaterman_8"}
    assert set(emulated.launched) >= WALK
    assert emulated.used == 0


def test_long_reads_take_no_part_on_a_gpu_either(
    lake: Path, config: Config, tmp_path: Path, emulated: Machine
) -> None:
    fasta = tmp_path / "tiny.fa"
    fasta.write_text(f">chr1\n{CONTIG}\n")
    (long,) = reads_with(CONTIG, [], starts=[1000], length=1200, label="long")
    with connect(lake, config) as catalog:
        add_reference(catalog, fasta, "tiny")
        add_sample(catalog, "S1", "female")
        write_alignments(catalog, "S1", "chr1", [*carrying_reads(), long])
    on_cpu, _ = called(lake, tmp_path / "cpu", "cpu")
    notes = Notes()
    on_gpu, _ = called(lake, tmp_path / "gpu", "gpu", notes)
    assert on_gpu == on_cpu
    assert any("reads of over 1,000 bases" in note for note in notes.said)
    assert set(emulated.launched) >= WALK


@pytest.fixture(scope="module")
def ingested(slice_folder: Path, empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with the alignments of NA12878, made once and only copied."""
    lake = Path(shutil.copytree(empty_lake, tmp_path_factory.mktemp("na12878") / "lake"))
    with open_lake(lake) as opened:
        opened.add_reference(slice_folder / "ucsc.hg19.chr20.unittest.fasta.gz", "hg19")
        opened.ingest([slice_folder / "NA12878_S1.chr20.10_10p1mb.bam"], sample="NA12878", reference="hg19")
    return lake


def test_qualities_are_read_past_the_host_where_kvikio_is(
    ingested: Path, tmp_path: Path, emulated: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = "chr20:10,000,001-10,002,000"
    on_cpu, _ = copied(ingested, tmp_path / "cpu", lambda copy: copy.call(region=where, device="cpu"))
    monkeypatch.setattr(device, "direct_module", lambda: direct)
    monkeypatch.setattr(direct.CuFile, "bytes_asked", 0)
    on_gpu, devices = copied(ingested, tmp_path / "gpu", lambda copy: copy.call(region=where))
    assert on_gpu == on_cpu
    assert devices == ["gpu:0"]
    # Of one or two blocks of 8192 rows of 101 bases.
    assert 200_000 < direct.CuFile.bytes_asked < 800_000


def test_two_gpus_share_the_parts(small: Path, tmp_path: Path, emulated: Machine) -> None:
    emulated.module.cuda.runtime.getDeviceCount = lambda: 2
    expected, _ = called(small, tmp_path / "one", "gpu:1")
    found, devices = called(small, tmp_path / "two", "gpu")
    assert found == expected
    assert devices == ["gpu:0, gpu:1"]


@pytest.mark.parametrize("operations", [0, 5, 40])
def test_a_gpu_that_fails_changes_no_row(
    small: Path, tmp_path: Path, emulated: Machine, operations: int
) -> None:
    expected, _ = called(small, tmp_path / "cpu", "cpu")
    emulated.lost_after = operations
    notes = Notes()
    found, devices = called(small, tmp_path / "gpu", "gpu", notes)
    assert found == expected
    assert devices == ["gpu:0, cpu"]
    (warning, *more) = [note for note in notes.said if note.startswith("WARNING")]
    assert "gpu:0 failed: cudaErrorDevicesUnavailable" in warning
    assert "computed on the CPU" in warning
    assert len(more) <= 1  # of parts that were under way together each tells


def test_a_fault_of_a_kernel_is_not_passed_over(
    small: Path, tmp_path: Path, emulated: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> None:
        raise EmulationError("a kernel reads what it did not write")

    monkeypatch.setattr(Kernel, "run", faulty)
    with pytest.raises(EmulationError):
        called(small, tmp_path / "gpu", "gpu")


def test_ten_kilobases_of_na12878_from_lake_to_lake(
    ingested: Path, tmp_path: Path, emulated: Machine
) -> None:
    where = "chr20:10,000,001-10,010,000"
    on_cpu, _ = copied(ingested, tmp_path / "cpu", lambda copy: copy.call(region=where, device="cpu"))
    on_gpu, devices = copied(ingested, tmp_path / "gpu", lambda copy: copy.call(region=where))
    assert on_gpu == on_cpu
    assert len(on_cpu["genotypes"]) > 50
    assert devices == ["gpu:0"]
    assert set(emulated.launched) >= WALK | {"decode_streams", "pileup_merge"}
