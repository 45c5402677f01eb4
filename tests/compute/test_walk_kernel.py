"""The walk along reads on a GPU: depths and differing bases are the CPU's."""

from pathlib import Path

import numpy as np
import pytest

from baselake.compute.device import Gpu

from ..cuda_emulation.device import Machine
from ..cuda_emulation.sanitized import run_sanitized
from .reads import as_bases, random_contig
from .slices import alignments_of, contig_of
from .test_call_accuracy import fasta, slice_folder
from .walk_cases import flat_reads, random_alignments, same_walk

__all__ = ["fasta", "slice_folder"]  # fixtures


@pytest.mark.parametrize("seed", range(4))
def test_random_reads_are_walked_alike(gpu: Gpu, seed: int) -> None:
    contig = random_contig(5000, seed)
    contig = contig[:2000] + "N" * 50 + contig[2050:].lower()
    reads, expected = flat_reads(random_alignments(seed, 2500, contig), as_bases(contig), 0, len(contig))
    assert len(expected["position"]) > 1000
    assert len(reads.start) > 2000
    assert (reads.fragment != np.arange(len(reads.start))).sum() > 500
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


def test_walks_do_not_depend_on_the_memory() -> None:
    contig = random_contig(2000)
    reads, expected = flat_reads(random_alignments(3, 600, contig), as_bases(contig), 0, len(contig))
    scarce = Machine(memory=150_000)
    assert same_walk(Gpu(scarce.module, 0), reads, expected)
    assert len(scarce.launched) > 4


def test_no_kernel_reaches_beyond_its_memory() -> None:
    done = run_sanitized("tests.compute.walk_cases", "compare_sanitized")
    assert done.returncode == 0, done.stderr
