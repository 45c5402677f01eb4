"""Kernels and calling on a GPU: first checked against the CPU, then timed.

    python benchmarks/gpu.py --data ../shared/data [--bam READS.bam --fasta REFERENCE.fa --region 20:1-1,000,000]
    python benchmarks/gpu.py --emulated --quick          # the same on the emulated device, in a minute

Prints a Markdown table for each part: copies over the bus, cell updates of the kernels beside what the device could
issue (the roofline), calling from alignments in memory, and `call` from lake to lake, on the CPU and the GPU: of the
NA12878 slice, and of a made chromosome at 30x (`--bases`). One of real bases with the repeats of such comes of
`simulate_human.py --bam`, by `--bam` and `--fasta`. It stops at the first difference. Times are medians of `--rounds`
runs after one that is not counted: kernels by CUDA events, all else by the wall.
"""

import argparse
import shutil
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pysam
import synthetic

import baselake.lake.columns._entropy as _entropy
from baselake.api import Lake, open_lake
from baselake.catalog.references import open_reference
from baselake.compute import device
from baselake.compute.call import call_samples
from baselake.compute.decode.launch import (
    cpu_unpack_bases,
    cpu_unpack_bytes,
    gpu_unpack_bases,
    gpu_unpack_bytes,
)
from baselake.compute.device import Gpu, Work
from baselake.compute.duplicates.launch import Records, cpu_keys, gpu_keys, gpu_marks
from baselake.compute.pairhmm import as_haplotypes, as_reads, costs
from baselake.compute.pairhmm.launch import gpu_costs
from baselake.compute.pairhmm.layout import Pairs
from baselake.compute.pileup import genotype_region
from baselake.compute.pileup.launch import CostTable, cpu_genotype_costs, gpu_genotype_costs
from baselake.compute.smithwaterman.launch import Pairs as Sequences
from baselake.compute.smithwaterman.launch import cpu_align, gpu_align
from baselake.creation import create_lake
from baselake.lake.schema import ALIGNMENTS

# Instructions of a warp for each cell of a lane, counted in the machine code of the main loop (docs/gpu-model.md).
INSTRUCTIONS = {"pairhmm_float": 22, "pairhmm_double": 30, "smithwaterman": 39}


# Bytes that a kernel must read or write for each base of the alignments.
LEAST_BYTES = {
    "decode_streams": 1,  # a quality; the words are less
    "pileup_unfold": 4,  # a base of the contig and a quality in, a base and a quality out
    "pileup_count": 3,  # a base, a quality, a base of the reference
    "pileup_differences": 3,
}


class TimedGpu(Gpu):
    """Adds up the time of each kernel by CUDA events."""

    def __init__(self, modules: Any, index: int) -> None:
        super().__init__(modules, index)
        self._cuda_modules = modules
        self._cuda = modules.cuda
        self._events: list[tuple[str, Any, Any]] = []
        self.put_bytes = self.taken_bytes = 0

    def work(self) -> Work:
        """A stream whose copies are counted."""
        return CountedWork(self, self._cuda_modules)

    def kernel(self, operation: str, name: str) -> Any:
        """The kernel, between two events."""
        inner = super().kernel(operation, name)

        def timed(grid: tuple, block: tuple, arguments: tuple, *, shared_mem: int = 0) -> None:
            before, after = self._cuda.Event(), self._cuda.Event()
            before.record()
            inner(grid, block, arguments, shared_mem=shared_mem)
            after.record()
            self._events.append((name, before, after))

        return timed

    def milliseconds(self) -> dict[str, float]:
        """Of each kernel since the last time."""
        total: dict[str, float] = defaultdict(float)
        for name, before, after in self._events:
            after.synchronize()
            total[name] += self._cuda.get_elapsed_time(before, after)
        self._events.clear()
        return total


class CountedWork(Work):
    """Counts what is copied."""

    def put(self, values: np.ndarray) -> Any:
        """A copy on the device."""
        self._gpu.put_bytes += values.nbytes
        return super().put(values)

    def put_into(self, array: Any, first: int, values: np.ndarray) -> None:
        """A copy into an array of the device."""
        self._gpu.put_bytes += values.nbytes
        super().put_into(array, first, values)

    def take(self, array: Any) -> np.ndarray:
        """A copy on the host."""
        self._gpu.taken_bytes += array.nbytes
        return super().take(array)


def median_seconds(rounds: int, run: Callable[[], object]) -> float:
    """Wall time of a run, the first one apart."""
    run()
    seconds = []
    for _ in range(rounds):
        before = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - before)
    return statistics.median(seconds)


def must(same: bool, what: str) -> None:
    """Ends the benchmark where a device computes something else."""
    if not same:
        sys.exit(f"{what}: the GPU gives other results than the CPU")


def copies(gpu: Gpu, rounds: int, megabytes: int) -> None:
    """What the bus carries from and to pinned memory."""
    values = np.zeros(megabytes << 20, np.uint8)
    print("| copy | GB/s |\n|---|---|")
    for name in ("to the device", "from the device"):
        rates = []
        for _ in range(rounds + 1):
            work = gpu.work()
            array = work.put(values)
            if name == "from the device":
                work.wait()
                array = work.empty(values.size, np.uint8)
                before = time.perf_counter()
                work.take(array)
            else:
                before = time.perf_counter()
            work.wait()
            rates.append(values.nbytes / (time.perf_counter() - before) / 1e9)
        print(f"| {name} | {statistics.median(rates[1:]):.1f} |")


def pairhmm(gpu: TimedGpu, rounds: int, pairs: int, peak: float) -> None:
    """Reads of 150 bases beside haplotypes of 300, for bands of every tile."""
    rng = np.random.default_rng(1)
    read_length, haplotype_length, each = 150, 300, 4
    haplotype = "".join(rng.choice(list("ACGT"), haplotype_length))
    starts = rng.integers(0, haplotype_length - read_length, pairs // each)
    reads = as_reads([haplotype[at : at + read_length] for at in starts], [[37] * read_length] * len(starts))
    haplotypes = as_haplotypes([haplotype] * each)
    read = np.repeat(np.arange(len(starts), dtype=np.int32), each)
    which = np.tile(np.arange(each, dtype=np.int32), len(starts))
    diagonal = np.repeat(starts.astype(np.int32), each)
    print(
        "\n| PairHMM, band | kernel | G cells/s, kernel | of the issue rate | G cells/s, with copies | CPU, a core |"
    )
    print("|---|---|---|---|---|---|")
    for side in (5, 7, 15, 31, 63, 127):
        band = np.full(len(read), side, np.int32)
        batch = Pairs(read=read, haplotype=which, diagonal=diagonal, left=band, right=band)
        some = slice(0, min(len(read), 4000))
        before = time.process_time()
        expected = costs(reads, haplotypes, read[some], which[some], diagonal[some], left=side, right=side)
        cpu = time.process_time() - before
        found = gpu_costs(gpu, reads, haplotypes, batch)
        must(bool(np.abs(found[some] - expected).max() < 1e-3), f"PairHMM, band {2 * side + 1}")
        gpu.milliseconds()
        wall = median_seconds(rounds, lambda batch=batch: gpu_costs(gpu, reads, haplotypes, batch))
        by_kernel = gpu.milliseconds()
        name = max(
            (name for name in by_kernel if name.startswith("pairhmm_float")), key=lambda n: by_kernel[n]
        )
        cells = len(read) * read_length * (2 * side + 1)
        rate = cells / (by_kernel[name] / (rounds + 1) / 1e3)
        computed = 8 * int(name.rpartition("_")[2]) / (2 * side + 1)
        share = rate * computed * INSTRUCTIONS["pairhmm_float"] / 32 / peak
        cpu_rate = len(expected) * read_length * (2 * side + 1) / max(cpu, 1e-9)
        rates = f"{rate / 1e9:.1f} | {share:.0%} | {cells / wall / 1e9:.1f} | {cpu_rate / 1e9:.2f}"
        print(f"| {2 * side + 1} | {name} | {rates} |")


def smithwaterman(gpu: TimedGpu, rounds: int, pairs: int, peak: float) -> None:
    """Haplotypes of 230 bases with an indel beside the reference, as the caller has them."""
    rng = np.random.default_rng(2)
    targets = [rng.choice(np.frombuffer(b"ACGT", np.uint8), 230) for _ in range(max(1, pairs // 8))]
    queries = [
        np.delete(targets[i // 8 % len(targets)], slice(at := int(rng.integers(50, 150)), at + i % 12))
        for i in range(pairs)
    ]
    index = np.arange(pairs, dtype=np.int32)
    batch = Sequences(
        query_offsets=np.cumsum([0, *map(len, queries)], dtype=np.int32),
        query_bases=np.concatenate(queries),
        target_offsets=np.cumsum([0, *map(len, targets)], dtype=np.int32),
        target_bases=np.concatenate(targets),
        query=index,
        target=(index // 8 % len(targets)).astype(np.int32),
    )
    before = time.process_time()
    expected = cpu_align(batch, slack=30)
    cpu = time.process_time() - before
    found = gpu_align(gpu, batch, slack=30)
    must(
        all(
            np.array_equal(getattr(found, name), getattr(expected, name))
            for name in ("scores", "offsets", "ops")
        ),
        "Smith-Waterman",
    )
    gpu.milliseconds()
    wall = median_seconds(rounds, lambda: gpu_align(gpu, batch, slack=30))
    in_kernels = sum(gpu.milliseconds().values()) / (rounds + 1) / 1e3
    lengths = np.array([len(query) for query in queries])
    cells = int((lengths * (230 - lengths + 61)).sum())
    share = cells / in_kernels * INSTRUCTIONS["smithwaterman"] / 32 / peak
    print("\n| Smith-Waterman | G cells/s, kernels | of the issue rate | with copies | CPU, a core |")
    print("|---|---|---|---|---|")
    rates = (cells / seconds / 1e9 for seconds in (wall, max(cpu, 1e-9)))
    print(
        f"| {pairs} pairs | {cells / in_kernels / 1e9:.1f} | {share:.0%} | {next(rates):.1f} | {next(rates):.2f} |"
    )


def genotypes(gpu: TimedGpu, rounds: int, tables: int) -> None:
    """Diploid genotypes of tables of 35 fragments by 4 haplotypes."""
    rng = np.random.default_rng(3)
    batch = [
        CostTable(
            costs=rng.choice(np.array([0, 3, 20, 42], np.float32), (35, 4)),
            caps=np.full(35, 45, np.float32),
            reverse=rng.integers(0, 2, 35).astype(np.uint8),
        )
        for _ in range(tables)
    ]
    before = time.process_time()
    expected = np.concatenate(cpu_genotype_costs(batch, ploidy=2))
    cpu = time.process_time() - before
    found = np.concatenate(gpu_genotype_costs(gpu, batch, ploidy=2))
    must(bool(np.abs(found - expected).max() < 1e-3), "genotype likelihoods")
    gpu.milliseconds()
    wall = median_seconds(rounds, lambda: gpu_genotype_costs(gpu, batch, ploidy=2))
    in_kernels = sum(gpu.milliseconds().values()) / (rounds + 1) / 1e3
    print("\n| genotype likelihoods | M genotypes/s, kernel | with copies | CPU, a core |\n|---|---|---|---|")
    rates = (len(expected) / max(seconds, 1e-9) / 1e6 for seconds in (in_kernels, wall, cpu))
    print(f"| {tables} tables | {' | '.join(f'{rate:.2f}' for rate in rates)} |")


def duplicates(gpu: TimedGpu, rounds: int, records: int) -> None:
    """Keys of reads of 150 bases, and a partition of as many pairs sorted and marked."""
    rng = np.random.default_rng(4)
    qualities = rng.integers(35, 75, 150 * records).astype(np.uint8)
    cigars = np.frombuffer(b"10S140M" * records, np.uint8)
    flag, start = (rng.integers(0, most, records).astype(np.int32) for most in (32, 1 << 20))
    offsets = np.arange(records + 1, dtype=np.int32)
    batch = Records(
        flag=flag,
        contig=np.zeros(records, np.int32),
        start=start,
        cigar=(7 * offsets, cigars),
        qual=(150 * offsets, qualities),
    )
    before = time.process_time()
    expected = cpu_keys(batch)
    cpu = time.process_time() - before
    ends, scores = gpu_keys(gpu, batch)
    must(np.array_equal(ends, expected[0]) and np.array_equal(scores, expected[1]), "duplicate keys")
    first, second = ends >> np.uint64(12), np.roll(ends, 1) >> np.uint64(12)
    library = np.zeros(records, np.uint64)
    gpu.milliseconds()
    wall = median_seconds(rounds, lambda: gpu_keys(gpu, batch))
    in_kernels = sum(gpu.milliseconds().values()) / (rounds + 1) / 1e3
    sorting = median_seconds(rounds, lambda: gpu_marks(gpu, library, first, second, scores))
    print("\n| duplicates | M records/s, kernel | with copies | sorted and marked | CPU, keys, a core |")
    print("|---|---|---|---|---|")
    rates = (records / max(seconds, 1e-9) / 1e6 for seconds in (in_kernels, wall, sorting, cpu))
    print(f"| {records} records | {' | '.join(f'{rate:.2f}' for rate in rates)} |")


def decoding(gpu: TimedGpu, rounds: int, blocks: int) -> None:
    """Blocks of a column: qualities that hang on those before them, and bases with an N here and there."""
    rng = np.random.default_rng(5)
    size = 1 << 20
    walks = np.abs(np.cumsum(rng.choice([0, 0, 0, 1, -1], (4, size)), axis=1)) % 38 + 35
    bases = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, (4, size))]
    bases[rng.random(bases.shape) < 1e-4] = ord("N")
    batches = (
        (
            "qualities",
            [_entropy.pack_bytes(row.astype(np.uint8).tobytes()) for row in walks],
            gpu_unpack_bytes,
        ),
        ("bases", [_entropy.pack_bases(row.tobytes()) for row in bases], gpu_unpack_bases),
    )
    unpack = {"qualities": cpu_unpack_bytes, "bases": cpu_unpack_bases}
    print("\n| decoding | GB/s, kernel | with copies | CPU, a core |\n|---|---|---|---|")
    for name, packed, on_gpu in batches:
        batch = [packed[i % len(packed)] for i in range(blocks)]
        before = time.process_time()
        expected = unpack[name](batch)
        cpu = time.process_time() - before
        found = on_gpu(gpu, batch)
        must(all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True)), name)
        gpu.milliseconds()
        wall = median_seconds(rounds, lambda on_gpu=on_gpu, batch=batch: on_gpu(gpu, batch))
        in_kernels = sum(gpu.milliseconds().values()) / (rounds + 1) / 1e3
        rates = (blocks * size / max(seconds, 1e-9) / 1e9 for seconds in (in_kernels, wall, cpu))
        print(f"| {name}, {blocks} blocks of 1 MiB | {' | '.join(f'{rate:.2f}' for rate in rates)} |")


def alignments(bam: Path, contig: str, start: int, end: int) -> pa.Table:
    """The mapped records of a region as rows of ALIGNMENTS."""
    names = ("name", "flag", "start", "mapq", "cigar", "seq", "qual", "duplicate")

    def row(r: pysam.AlignedSegment) -> tuple:
        aligned = (r.reference_start, r.mapping_quality, r.cigarstring, r.query_sequence, r.qual)
        return (r.query_name, r.flag, *aligned, r.is_duplicate)

    with pysam.AlignmentFile(str(bam)) as file:
        records = [row(record) for record in file.fetch(contig, start, end)]
    columns = list(zip(*records, strict=True)) or [()] * len(names)
    fields = [ALIGNMENTS.schema.field(name) for name in names]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, fields, strict=True)], names
    )


def calling(gpu: Gpu, rounds: int, inputs: list[tuple[str, Path, Path, str, int, int]]) -> None:
    """Calling from alignments in memory, one thread."""
    print("\n| calling | alignments | calls | CPU, s | GPU, s | ratio |\n|---|---|---|---|---|---|")
    for name, bam, fasta, contig, start, end in inputs:
        rows = alignments(bam, contig, start, end)
        with pysam.FastaFile(str(fasta)) as reference:
            bases = np.frombuffer(reference.fetch(contig).encode(), np.uint8)
        expected = genotype_region(rows, bases, start, end)
        found = genotype_region(rows, bases, start, end, gpu=gpu)
        must(found.calls.equals(expected.calls) and found.blocks.equals(expected.blocks), name)
        region = (rows, bases, start, end)
        seconds = [
            median_seconds(rounds, lambda region=region, of=of: genotype_region(*region, gpu=of))
            for of in (None, gpu)
        ]
        print(
            f"| {name} | {rows.num_rows:,} | {expected.calls.num_rows} | {seconds[0]:.3f} | {seconds[1]:.3f}"
            f" | {seconds[0] / seconds[1]:.2f} |"
        )


def rows_of(lake: Lake) -> list[pa.Table]:
    """What calling wrote."""
    tables = ("genotypes", "variants", "reference_blocks")
    return [lake.sql(f"SELECT * FROM {table} ORDER BY ALL") for table in tables]


def from_lake_to_lake(
    gpu: TimedGpu, rounds: int, inputs: list[tuple[str, Path, Path]], memory: float
) -> None:
    """`call` of whole samples: alignments in a lake, variants committed; all threads.

    `memory`: bytes a second that the device's memory moves at most.
    """
    print(
        "\n| call, lake to lake | bases | threads | CPU, s | GPU, s | ratio | to the device, MB | from it, MB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    of_kernels = []
    for name, bam, fasta in inputs:
        with TemporaryDirectory() as scratch:
            made = Path(scratch) / "lake"
            create_lake(made)
            with open_lake(made) as lake:
                lake.add_reference(fasta, "r")
                lake.ingest([bam], sample="s", reference="r")
                bases = int(lake.sql("SELECT sum(length(seq)) AS n FROM alignments")["n"][0].as_py())
                threads = lake.catalog.config.threads

            def once(gpus: tuple[TimedGpu, ...], made: Path = made) -> tuple[float, list[pa.Table]]:
                with TemporaryDirectory(dir=made.parent) as copy:
                    shutil.copytree(made, copy, dirs_exist_ok=True)
                    with open_lake(copy) as lake:
                        reference = open_reference(lake.catalog, "r")
                        before = time.perf_counter()
                        call_samples(lake.catalog, ["s"], reference, gpus=gpus)
                        return time.perf_counter() - before, rows_of(lake)

            expected, found = once(()), once((gpu,))
            must(expected[1] == found[1], f"{name}, lake to lake")
            gpu.milliseconds()
            gpu.put_bytes = gpu.taken_bytes = 0
            seconds: dict[bool, list[float]] = {False: [], True: []}
            for _ in range(rounds):  # in turn, so that a busy machine is busy for both
                for on_gpu in (False, True):
                    seconds[on_gpu].append(once((gpu,) if on_gpu else ())[0])
            cpu, device_ = (statistics.median(seconds[on_gpu]) for on_gpu in (False, True))
            moved = " | ".join(f"{n / rounds / 1e6:.2f}" for n in (gpu.put_bytes, gpu.taken_bytes))
            print(
                f"| {name} | {bases:,} | {threads} | {cpu:.2f} | {device_:.2f} | {cpu / device_:.2f} | {moved} |"
            )
            of_kernels.append((name, bases, {k: v / rounds for k, v in gpu.milliseconds().items()}))
    print(
        "\n| kernels of call | ms | G bases/s | least GB/s of memory | of what it moves |\n|---|---|---|---|---|"
    )
    for name, bases, by_kernel in of_kernels:
        for kernel, ms in sorted(by_kernel.items(), key=lambda one: -one[1]):
            rate = bases / max(ms / 1e3, 1e-9)
            moved = rate * LEAST_BYTES.get(kernel, 0)
            bandwidth = f"{moved / 1e9:.1f} | {moved / memory:.0%}" if moved else " | "
            print(f"| {name}: {kernel} | {ms:.2f} | {rate / 1e9:.2f} | {bandwidth} |")


def emulated() -> Any:
    """The emulated device's array module, of the tests."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.cuda_emulation.device import Machine

    return Machine(memory=4 << 30).module


def main(arguments: list[str] | None = None) -> None:
    """Check, time, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with the NA12878 slice")
    parser.add_argument("--bam", type=Path, help="reads of a larger region, with --fasta and --region")
    parser.add_argument("--fasta", type=Path)
    parser.add_argument("--region", help="CONTIG:START-END, 1-based")
    parser.add_argument("--pairs", type=int, default=400_000, help="of a read and a haplotype")
    parser.add_argument("--blocks", type=int, default=512, help="of a coded column, 1 MiB each")
    parser.add_argument("--megabytes", type=int, default=256, help="of a copy")
    parser.add_argument("--bases", type=int, default=20_000_000, help="of the made chromosome; 0: none")
    parser.add_argument("--depth", type=float, default=30.0, help="of it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--emulated", action="store_true", help="on the emulated device: times mean nothing")
    parser.add_argument("--quick", action="store_true", help="little of everything, once")
    given = parser.parse_args(arguments)
    if given.quick:
        given.pairs, given.blocks, given.megabytes, given.rounds, given.bases = 40, 1, 1, 1, 8_000
    modules = emulated() if given.emulated else device.array_module()
    gpu = TimedGpu(modules, 0)
    name = modules.cuda.runtime.getDeviceProperties(0)["name"].decode()
    # CUDA 13 has the clocks no longer among the properties.
    told = modules.cuda.Device(0).attributes
    processors, clock = told["MultiProcessorCount"], 1e3 * told["ClockRate"]
    memory = 2e3 * told["MemoryClockRate"] * told["GlobalMemoryBusWidth"] / 8  # bytes a second, both edges
    # A multiprocessor issues an instruction of four warps in a clock.
    peak = 4.0 * processors * clock
    print(
        f"{name}, {processors} multiprocessors at {clock / 1e9:.2f} GHz, memory of {memory / 1e12:.2f} TB/s\n"
    )
    copies(gpu, given.rounds, given.megabytes)
    pairhmm(gpu, given.rounds, given.pairs, peak)
    smithwaterman(gpu, given.rounds, max(8, given.pairs // 40), peak)
    genotypes(gpu, given.rounds, max(8, given.pairs // 40))
    duplicates(gpu, given.rounds, given.pairs)
    decoding(gpu, given.rounds, given.blocks)
    inputs, lakes = [], []
    if given.data:
        folder = given.data / "accuracy_NA12878_chr20"
        bam, fasta = folder / "NA12878_S1.chr20.10_10p1mb.bam", folder / "ucsc.hg19.chr20.unittest.fasta.gz"
        inputs.append(("NA12878, 102 kb", bam, fasta, "chr20", 9_999_000, 10_101_000))
        lakes.append(("NA12878 slice", bam, fasta))
    if given.bam:
        contig, _, bounds = given.region.rpartition(":")
        first, last = (int(text.replace(",", "")) for text in bounds.split("-"))
        inputs.append((given.region, given.bam, given.fasta, contig, first - 1, last))
        lakes.append((given.bam.name, given.bam, given.fasta))
    calling(gpu, given.rounds, inputs)
    with TemporaryDirectory() as scratch:
        if given.bases:
            fasta, bam = synthetic.make(Path(scratch), given.bases, given.depth)
            lakes.append((f"made, {given.depth:g}x", bam, fasta))
        from_lake_to_lake(gpu, given.rounds, lakes, memory)


if __name__ == "__main__":
    main()
