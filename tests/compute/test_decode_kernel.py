"""Coded columns decoded on a GPU: every byte is the CPU's, and damage is told as the CPU tells it."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pysam
import pytest

import baselake.lake.columns._entropy as _entropy
from baselake.compute.decode.launch import (
    cpu_unpack_bases,
    cpu_unpack_bytes,
    gpu_unpack_bases,
    gpu_unpack_bytes,
    start_decoding,
)
from baselake.compute.device import Gpu
from baselake.errors import StorageError
from baselake.lake.columns.streams import PlacedStream

from ..cuda_emulation import direct
from ..cuda_emulation.device import Machine, Part
from ..cuda_emulation.sanitized import run_sanitized


def correlated(rng: np.random.Generator, size: int, symbols: int) -> bytes:
    """Bytes that hang on those before them, as qualities do; some symbols hardly ever occur."""
    alphabet = np.sort(rng.choice(256, symbols, replace=False)).astype(np.uint8)
    steps = rng.choice([0, 0, 0, 1, -1, 2], size)
    walk = np.abs(np.cumsum(steps)) % symbols
    walk[rng.random(size) < 0.01] = symbols - 1
    return alphabet[walk].tobytes()


def random_streams(seed: int, count: int, most: int = 3000) -> list[bytes]:
    """Of all methods, alphabets from 1 to 256 symbols, lengths that fill no stretch evenly, none."""
    rng = np.random.default_rng(seed)
    plain = []
    for _ in range(count):
        size = int(rng.integers(0, most))
        kind = rng.integers(0, 4)
        if kind == 0:
            plain.append(rng.integers(0, 256, size).astype(np.uint8).tobytes())
        elif kind == 1:
            plain.append(bytes([7]) * size)
        else:
            plain.append(correlated(rng, size, int(rng.integers(2, 64 if kind == 2 else 257))))
    # Few symbols and many bytes: two are coded as one.
    plain += [correlated(rng, size, symbols) for symbols in (3, 4) for size in (4096, 4097, 9001)]
    return [_entropy.pack_bytes(each) for each in plain]


def same_bytes(gpu: Gpu, streams: list[bytes]) -> bool:
    found, wanted = gpu_unpack_bytes(gpu, streams), cpu_unpack_bytes(streams)
    return all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_streams_equal_the_cpus(gpu: Gpu) -> None:
    streams = random_streams(1, 300)
    methods = {stream[0] for stream in streams}
    assert methods == {0, 1, 2, 3}
    assert same_bytes(gpu, streams)


@pytest.mark.slow
def test_ten_thousand_streams_equal_the_cpus(gpu: Gpu) -> None:
    assert same_bytes(gpu, random_streams(2, 10_000, most=600))


def test_qualities_of_na12878_equal_the_cpus(shared_data: Path, gpu: Gpu) -> None:
    with pysam.AlignmentFile(
        str(shared_data / "accuracy_NA12878_chr20" / "NA12878_S1.chr20.10_10p1mb.bam")
    ) as bam:
        quals = [read.qual.encode() for read in bam.fetch("chr20", 10_000_000, 10_002_000) if read.qual]
    blocks = [_entropy.pack_bytes(b"".join(quals[i : i + 100])) for i in range(0, len(quals), 100)]
    assert len(blocks) > 5
    assert {block[0] for block in blocks} == {2}
    assert same_bytes(gpu, blocks)


def random_bases(seed: int, count: int) -> list[bytes]:
    rng = np.random.default_rng(seed)
    texts = []
    for _ in range(count):
        letters = np.frombuffer(b"ACGTACGTACGTACGTN" if rng.random() < 0.7 else b"ACGTNRYacgt=", np.uint8)
        texts.append(rng.choice(letters, int(rng.integers(0, 700))).tobytes())
    return [_entropy.pack_bases(text) for text in texts]


def same_bases(gpu: Gpu, blocks: list[bytes]) -> bool:
    found, wanted = gpu_unpack_bases(gpu, blocks), cpu_unpack_bases(blocks)
    return all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_bases_equal_the_cpus(gpu: Gpu) -> None:
    assert same_bases(gpu, random_bases(1, 10_000))


def test_damage_is_told(gpu: Gpu) -> None:
    """And no memory beyond the stream is read, which the sanitized run would see."""
    rng = np.random.default_rng(5)
    told = 0
    for stream in random_streams(3, 40):
        if stream[0] not in (2, 3):
            continue
        cut = stream[: len(stream) - int(rng.integers(1, 40))]
        try:
            wanted = cpu_unpack_bytes([cut])
        except ValueError as error:
            told += 1
            with pytest.raises(ValueError, match=str(error)):
                gpu_unpack_bytes(gpu, [cut])
        else:
            assert np.array_equal(gpu_unpack_bytes(gpu, [cut])[0], wanted[0])
    assert told > 10


def test_nothing_is_no_work(gpu: Gpu) -> None:
    assert gpu_unpack_bytes(gpu, []) == gpu_unpack_bases(gpu, []) == []


def test_streams_are_decoded_in_batches() -> None:
    scarce = Machine(memory=200_000)
    assert same_bytes(Gpu(scarce.module, 0), random_streams(4, 60, most=2000))
    assert len(scarce.launched) > 2


def placed_streams(path: Path) -> tuple[list[bytes], list[PlacedStream]]:
    """Streams, and the same where they lie in a file, one after the other."""
    streams = [stream for stream in random_streams(8, 30) if stream[0] in (2, 3)]
    path.write_bytes(b"".join(streams))
    ends = np.cumsum([len(stream) for stream in streams]).tolist()
    return streams, [
        PlacedStream(head=stream[:2000], path=str(path), at=end - len(stream), size=len(stream))
        for stream, end in zip(streams, ends, strict=True)
    ]


def test_streams_in_files_are_read_to_the_device_by_kvikio(tmp_path: Path) -> None:
    streams, placed = placed_streams(tmp_path / "streams")
    gpu = Gpu(Machine().module, 0, direct)
    # Of one launch some lie in a file and some do not.
    mixed = [placed[number] if number % 3 else stream for number, stream in enumerate(streams)]
    with gpu.using():
        work = gpu.work()
        decoding = start_decoding(gpu, work, mixed)
        found = work.take(decoding.bytes)
        work.wait()
    decoding.check()
    assert np.array_equal(found, np.concatenate(cpu_unpack_bytes(streams)))


def test_a_file_that_kvikio_cannot_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "streams"
    _, placed = placed_streams(path)

    class Broken(direct.CuFile):
        def pread(self, buf: Part, *, file_offset: int) -> direct.Read:
            raise RuntimeError("cuFile driver: input/output error")

    def read(module: object) -> None:
        gpu = Gpu(Machine().module, 0, module)
        with gpu.using():
            start_decoding(gpu, gpu.work(), placed)

    with pytest.raises(StorageError, match=r"streams: .*kvikio: cuFile driver"):
        read(SimpleNamespace(CuFile=Broken))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StorageError, match=r"streams: .*it ends early"):
        read(direct)
    path.unlink()
    with pytest.raises(StorageError, match=r"streams: .*Unable to open file"):
        read(direct)


def compare_sanitized() -> None:
    """For a process that AddressSanitizer watches."""
    gpu = Gpu(Machine(sanitized=True).module, 0)
    assert same_bytes(gpu, random_streams(6, 30, most=800))
    assert same_bases(gpu, random_bases(2, 60))
    for stream in random_streams(7, 10):
        if stream[0] in (2, 3):
            with pytest.raises(ValueError, match=r"end early|no frequencies"):
                gpu_unpack_bytes(gpu, [stream[: len(stream) - 60]])


def test_no_kernel_reaches_beyond_its_memory() -> None:
    done = run_sanitized(__name__, "compare_sanitized")
    assert done.returncode == 0, done.stderr
