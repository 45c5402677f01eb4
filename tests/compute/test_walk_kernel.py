"""Reads made from stored columns on a GPU and the walk along them: all that is found is the CPU's."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from baselake.compute.device import Gpu
from baselake.compute.pileup import (
    DEFAULT_PARAMETERS,
    _columns,
    _twin,
    genotype_region,
    mixture_of_region,
)
from baselake.compute.pileup.resident import on_device
from baselake.compute.pileup.walk import ReadPlaces, Walk
from baselake.lake.columns.reader import CodedRows

from ..cuda_emulation.device import Machine
from ..cuda_emulation.sanitized import run_sanitized
from .reads import as_bases, random_contig
from .slices import alignments_of, contig_of
from .test_call_accuracy import fasta, slice_folder
from .walk_cases import coded_rows, flat_reads, random_alignments, resident, same_walk

__all__ = ["fasta", "slice_folder"]  # fixtures


@pytest.mark.parametrize("seed", range(4))
def test_random_reads_are_walked_alike(gpu: Gpu, seed: int) -> None:
    contig = random_contig(5000, seed)
    contig = contig[:2000] + "N" * 50 + contig[2050:].lower()
    reads, expected = flat_reads(random_alignments(seed, 2500, contig), as_bases(contig), 0, len(contig))
    assert len(expected["position"]) > 1000
    fragment = reads.places.fragment
    assert len(fragment) > 2000
    assert (fragment != np.arange(len(fragment))).sum() > 500
    assert same_walk(gpu, reads, expected)


def test_na12878_is_walked_alike(slice_folder: Path, fasta: Path, gpu: Gpu) -> None:
    start, end = 10_000_000, 10_010_000
    rows = alignments_of(slice_folder / "NA12878_S1.chr20.10_10p1mb.bam", "chr20", start, end)
    reads, expected = flat_reads(rows, contig_of(fasta, "chr20"), start, end)
    assert expected["depth"].max() > 40
    assert same_walk(gpu, reads, expected)


def test_no_reads_are_no_depth(gpu: Gpu) -> None:
    contig = random_contig(1000)
    reads, expected = flat_reads(random_alignments(1, 0, contig), as_bases(contig), 100, 900)
    assert same_walk(gpu, reads, expected)


def same_reads(gpu: Gpu, rows: pa.Table, bases: np.ndarray) -> bool:
    """Whether bases and qualities of usable reads are those that the CPU decodes and merges."""
    lying = resident(gpu, rows, bases)
    columns = _columns(lying.rows) | {
        "seq": (offsets_of(lying.lengths), np.zeros(0, np.uint8)),
        "qual": (offsets_of(lying.qualities), np.zeros(0, np.uint8)),
        "resident": True,
    }
    given = (bases, 0, len(bases), 2, asdict(DEFAULT_PARAMETERS))
    calling = _twin.WalkedCalling(columns, *given)
    if len(tied := calling.tied()["row"]):
        seqs = rows["seq"].to_pylist()
        calling.untie(np.frombuffer("".join(seqs[row] for row in tied.tolist()).encode(), np.uint8))
    reads = calling.reads()
    names = ("start", "end", "fragment", "reference", "begin")
    places = ReadPlaces(**{name: reads[name] for name in names}, offsets=offsets_of(reads["length"]))
    with gpu.using():
        work = gpu.work()
        texts = [work.empty(int(places.offsets[-1]), np.uint8) for _ in range(2)]
        walk = Walk(gpu, work, places, *texts)
        wrong = walk.unfold(lying, reads["row"], reads["ops"])
        walk.merge(reads["first"], reads["second"], reads["second_keeps"], reads["ops"])
        found = walk.gather(np.arange(len(places.start), dtype=np.int32))
        work.wait()
    assert not wrong.any()
    expected = _twin.flat_reads(_columns(rows), *given[:3], given[4])
    assert len(reads["first"]) > 100
    return all(np.array_equal(found[k], expected[name][1]) for k, name in enumerate(("bases", "quality")))


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)


@pytest.mark.parametrize("seed", range(3))
def test_reads_are_made_from_stored_columns_as_the_cpu_makes_them(gpu: Gpu, seed: int) -> None:
    contig = random_contig(5000, seed)
    contig = contig[:2000] + "N" * 50 + contig[2050:3000] + "RYK" + contig[3003:]
    assert same_reads(gpu, random_alignments(seed, 1500, contig), as_bases(contig))


@pytest.mark.parametrize("seed", range(3))
def test_random_reads_are_called_alike(gpu: Gpu, seed: int) -> None:
    contig = random_contig(4000, 10 + seed)
    rows, bases = random_alignments(seed, 1200, contig), as_bases(contig)
    expected = genotype_region(rows, bases, 500, 3500)
    found = genotype_region(resident(gpu, rows, bases), bases, 500, 3500)
    assert expected.simple + expected.realigned + expected.assembled > 20
    assert found.calls.equals(expected.calls)
    assert found.blocks.equals(expected.blocks)


def test_na12878_is_called_alike_from_stored_columns(
    slice_folder: Path, fasta: Path, gpu: Gpu, kilobases: int
) -> None:
    """The file has some records twice."""
    start, end = 10_000_000, 10_000_000 + 1000 * kilobases
    rows = alignments_of(slice_folder / "NA12878_S1.chr20.10_10p1mb.bam", "chr20", start, end)
    bases = contig_of(fasta, "chr20")
    expected = genotype_region(rows, bases, start, end)
    found = genotype_region(resident(gpu, rows, bases), bases, start, end)
    assert found.calls.equals(expected.calls)
    assert found.blocks.equals(expected.blocks)
    assert expected.calls.num_rows > 2 * kilobases
    assert min(found.realigned, found.assembled) > kilobases // 10


def test_a_part_without_reads_is_called_alike(gpu: Gpu) -> None:
    contig = random_contig(9000)
    rows, bases = random_alignments(1, 200, contig[:2000]), as_bases(contig)
    found = genotype_region(resident(gpu, rows, bases), bases, 7000, 8000)
    assert found.blocks.equals(genotype_region(rows, bases, 7000, 8000).blocks)


def test_no_rows_are_not_brought(gpu: Gpu) -> None:
    rows, bases = random_alignments(1, 0, random_contig(1000)), as_bases(random_contig(1000))
    plain = rows.drop_columns(["seq", "qual"])
    assert on_device(gpu, plain, coded_rows(rows, bases), 1000, lambda: rows) is None


def test_the_mitochondrions_mixtures_are_called_alike(gpu: Gpu) -> None:
    contig = random_contig(3000, 5)
    rows, bases = random_alignments(5, 900, contig), as_bases(contig)
    expected = mixture_of_region(rows, bases, 0, 3000)
    found = mixture_of_region(resident(gpu, rows, bases), bases, 0, 3000)
    assert found.calls.equals(expected.calls)
    assert expected.calls.num_rows > 5


def test_reads_that_only_their_bases_tell_apart_are_ordered_alike(gpu: Gpu) -> None:
    contig = random_contig(2000, 3)
    rows, bases = random_alignments(3, 900, contig), as_bases(contig)
    # The same records again, as they are and with a base of each changed.
    again = rows.slice(100, 300)
    seqs = [seq[:4] + "ACGT"[number % 4] + seq[5:] for number, seq in enumerate(again["seq"].to_pylist())]
    other = again.set_column(again.schema.get_field_index("seq"), "seq", pa.array(seqs))
    twice = pa.concat_tables([other, rows, again.slice(0, 100)]).combine_chunks()
    assert same_reads(gpu, twice, bases)
    expected = genotype_region(twice, bases, 0, 2000)
    found = genotype_region(resident(gpu, twice, bases), bases, 0, 2000)
    assert found.calls.equals(expected.calls)
    assert found.blocks.equals(expected.blocks)


@pytest.mark.parametrize("memory", [100_000, 1_100_000, 2_200_000, 3_300_000])
def test_what_memory_there_is_changes_no_call(memory: int) -> None:
    contig = random_contig(2000)
    rows, bases = random_alignments(3, 600, contig), as_bases(contig)
    gpu = Gpu(Machine(memory=memory).module, 0)
    found = on_device(
        gpu,
        rows.drop_columns(["seq", "qual"]),
        coded_rows(rows, bases),
        len(bases),
        lambda: rows,
    )
    expected = genotype_region(rows, bases, 0, 2000)
    assert genotype_region(found or rows, bases, 0, 2000, gpu=gpu).calls.equals(expected.calls)


def test_damage_that_a_device_comes_upon_is_told() -> None:
    contig = random_contig(2000)
    rows, bases = random_alignments(3, 600, contig), as_bases(contig)
    coded = coded_rows(rows, bases)
    for block in coded.blocks:
        block.sequences.codes[block.sequences.codes < 3] = 0
    # The contig says N where a change is one of a base.
    unknown = np.where(np.arange(2000) % 7 == 0, np.uint8(ord("N")), bases)
    coded = CodedRows(
        blocks=tuple(
            replace(block, contig=replace(block.contig, bases=unknown.astype(np.uint8)))
            for block in coded.blocks
        ),
        block=coded.block,
        row=coded.row,
    )
    plain = rows.drop_columns(["seq", "qual"])
    decoded: list[bool] = []

    def decode() -> pa.Table:
        decoded.append(True)
        return rows

    lying = on_device(Gpu(Machine().module, 0), plain, coded, 2000, decode)
    assert lying is not None
    with pytest.raises(ValueError, match="a change of no base"):
        genotype_region(lying, bases, 0, 2000)
    assert decoded


def test_qualities_that_end_early_are_told() -> None:
    contig = random_contig(2000)
    rows, bases = random_alignments(3, 600, contig), as_bases(contig)
    coded = coded_rows(rows, bases)
    (first, *others) = coded.blocks
    for packed in (first.qualities.packed[:-60], others[0].qualities.packed):
        cut = replace(first, qualities=replace(first.qualities, packed=packed))
        damaged = CodedRows(blocks=(cut, *others), block=coded.block, row=coded.row)
        plain = rows.drop_columns(["seq", "qual"])
        with pytest.raises(ValueError, match=r"end early|not as many"):
            on_device(Gpu(Machine().module, 0), plain, damaged, 2000, lambda: rows)


def test_no_kernel_reaches_beyond_its_memory() -> None:
    done = run_sanitized("tests.compute.walk_cases", "compare_sanitized")
    assert done.returncode == 0, done.stderr
