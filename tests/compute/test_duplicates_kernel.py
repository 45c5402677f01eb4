"""Duplicate keys and marks on a GPU: every integer is the CPU's."""

from pathlib import Path

import numpy as np
import pysam
import pytest

from baselake.compute.device import DeviceLostError, Gpu
from baselake.compute.duplicates import _twin
from baselake.compute.duplicates.launch import Records, Text, cpu_keys, gpu_keys, gpu_marks

from ..cuda_emulation.device import Machine
from ..cuda_emulation.sanitized import run_sanitized

# As twin.cpp's Candidate.
CANDIDATE = np.dtype(
    [
        ("first", "u8"),
        ("second", "u8"),
        ("library", "u4"),
        ("score", "u4"),
        ("template", "i8"),
        ("lane", "u8"),
        ("x", "i4"),
        ("y", "i4"),
    ]
)


def text(items: list[bytes]) -> Text:
    return np.cumsum([0, *map(len, items)], dtype=np.int32), np.frombuffer(b"".join(items), np.uint8)


def random_records(seed: int, count: int) -> Records:
    """Clips of both kinds on both sides, gaps, texts that are empty, ends before the contig's first base."""
    rng = np.random.default_rng(seed)
    cigars = []
    for _ in range(count):
        ops = [
            f"{rng.integers(1, 300)}{kind}" for kind in rng.choice(list("MIDN=XP"), int(rng.integers(1, 6)))
        ]
        ends = [f"{rng.integers(1, 99)}{kind}" for kind in rng.choice(list("SH"), 2)]
        inner = "".join(ops if rng.random() < 0.9 else [])
        cigars.append(
            (ends[0] * int(rng.integers(0, 2)) + inner + ends[1] * int(rng.integers(0, 2))).encode()
        )
    quals = [
        rng.integers(33, 127, int(rng.integers(0, 200))).astype(np.uint8).tobytes() for _ in range(count)
    ]
    return Records(
        flag=rng.integers(0, 1 << 12, count).astype(np.int32),
        contig=rng.integers(0, 1 << 20, count).astype(np.int32),
        start=rng.choice(np.array([0, 5, 1000, 2**31 - 1]), count).astype(np.int32),
        cigar=text(cigars),
        qual=text(quals),
    )


def same_keys(gpu: Gpu, records: Records) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(gpu_keys(gpu, records), cpu_keys(records), strict=True))


def test_keys_equal_the_cpus(gpu: Gpu) -> None:
    assert same_keys(gpu, random_records(1, 10_000))


def test_keys_of_na12878_equal_the_cpus(shared_data: Path, gpu: Gpu) -> None:
    with pysam.AlignmentFile(
        str(shared_data / "accuracy_NA12878_chr20" / "NA12878_S1.chr20.10_10p1mb.bam")
    ) as bam:
        reads = [read for read in bam.fetch("chr20", 10_000_000, 10_020_000) if not read.is_unmapped]
    numbers = [(read.flag, read.reference_id, read.reference_start) for read in reads]
    flag, contig, start = (np.array(column, np.int32) for column in zip(*numbers, strict=True))
    cigar, qual = (text([getattr(read, name).encode() for read in reads]) for name in ("cigarstring", "qual"))
    assert len(reads) > 5000
    assert same_keys(gpu, Records(flag=flag, contig=contig, start=start, cigar=cigar, qual=qual))


def cpu_marks(candidates: np.ndarray) -> np.ndarray:
    marks = np.zeros(len(candidates), np.uint8)
    nothing = np.zeros(0, np.uint8)
    _twin.decide(candidates.copy().view(np.uint8), nothing, nothing, marks, 100)
    return marks


@pytest.mark.parametrize("kinds", [1, 3, 50])
def test_marks_equal_the_cpus(gpu: Gpu, kinds: int) -> None:
    rng = np.random.default_rng(kinds)
    for count in (1, 2, 127, 128, 129, 5000):
        candidates = np.zeros(count, CANDIDATE)
        candidates["library"] = rng.integers(0, 2, count)
        for end in ("first", "second"):
            candidates[end] = rng.integers(1, kinds + 1, count).astype(np.uint64) << np.uint64(34)
        candidates["score"] = rng.integers(0, 4, count)  # many are alike
        candidates["template"] = np.arange(count)
        columns = (candidates[name] for name in ("library", "first", "second", "score"))
        library, first, second, score = (np.ascontiguousarray(column) for column in columns)
        found = gpu_marks(gpu, library.astype(np.uint64), first, second, score)
        assert np.array_equal(found, cpu_marks(candidates))


def test_nothing_is_no_work(gpu: Gpu) -> None:
    empty = np.zeros(0, np.uint64)
    assert len(gpu_marks(gpu, empty, empty, empty, np.zeros(0, np.uint32))) == 0
    assert len(gpu_keys(gpu, random_records(1, 0))[0]) == 0


def test_keys_are_made_in_batches_and_marks_at_once() -> None:
    scarce = Machine(memory=200_000)
    assert same_keys(Gpu(scarce.module, 0), random_records(2, 2000))
    assert len(scarce.launched) > 3
    many = np.ones(5000, np.uint64)
    with pytest.raises(DeviceLostError, match="has not the memory"):
        gpu_marks(Gpu(scarce.module, 0), many, many, many, many.astype(np.uint32))


def compare_sanitized() -> None:
    """For a process that AddressSanitizer watches."""
    assert same_keys(Gpu(Machine(sanitized=True).module, 0), random_records(3, 50))


def test_no_kernel_reaches_beyond_its_memory() -> None:
    done = run_sanitized(__name__, "compare_sanitized")
    assert done.returncode == 0, done.stderr
