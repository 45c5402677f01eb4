"""How much there is to compute for a human genome at 30x, and the least time devices need for it.

    python benchmarks/gpu_model.py --data ../shared/data

No GPU is needed. What the stages of calling do on the NA12878 slice is counted and timed on one core (processor time,
least of five runs), scaled by bases to 3.1 Gb at 30x, and divided by what devices can move and issue. Prints the tables
of docs/gpu-model.md.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pysam
from gpu import INSTRUCTIONS, alignments

from baselake.compute.pairhmm import _twin as pairhmm
from baselake.compute.pairhmm.launch import COLUMNS, GROUPS
from baselake.compute.pileup import DEFAULT_PARAMETERS, _columns, _twin
from baselake.compute.smithwaterman.launch import TILES, Pairs, cpu_align
from baselake.lake.columns import codecs
from baselake.lake.columns.blocks import BLOCK_ROWS

GENOME_BASES = 3.1e9 * 30
RUNS = 5
# Of a record of the slice as the lake stores it with all qualities (decision 45: 1,973,009 bytes of 52,035).
STORED_BYTES = 1_973_009 / 52_035
CORES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What one device can do; NVIDIA's data sheets.

    Attributes:
        name: of the card.
        memory: bytes a second of its memory.
        bus: bytes a second into it, half of what PCIe's lanes carry both ways.
        issue: instructions of a warp a second: four a clock on every multiprocessor.
        count: of cards.
    """

    name: str
    memory: float
    bus: float
    issue: float
    count: int = 1


DEVICES = (
    Device(name="A100 SXM 80 GB", memory=2.039e12, bus=32e9, issue=4 * 108 * 1.41e9),
    Device(name="H100 SXM", memory=3.35e12, bus=64e9, issue=4 * 132 * 1.98e9),
    Device(name="8 x H100", memory=3.35e12, bus=64e9, issue=4 * 132 * 1.98e9, count=8),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the stages did on the slice.

    Attributes:
        records: alignments.
        bases: of them.
        seconds: processor time of each stage.
        cells: of the PairHMM's bands.
        computed: the same, filled up to the tiles, with the steps in which rows begin and end.
        doubled: of `computed` the share that float64 computes again.
        aligned: cells of haplotypes beside the reference, as the tiles compute them.
        pair_bytes: of what the PairHMM's batches carry to a device and back.
    """

    records: int
    bases: int
    seconds: dict[str, float]
    cells: int
    computed: int
    doubled: float
    aligned: int
    pair_bytes: int


def costs(pairs: dict[str, np.ndarray]) -> np.ndarray:
    """The PairHMM on the CPU, band by band."""
    out = np.zeros(len(pairs["read"]), np.float32)
    bands = np.stack((pairs["left"], pairs["right"]))
    for left, right in np.unique(bands, axis=1).T.tolist():
        which = np.flatnonzero((pairs["left"] == left) & (pairs["right"] == right))
        names = (
            "read_offsets",
            "read_bases",
            "quality",
            "haplotype_offsets",
            "haplotype_bases",
            "open",
            "open",
        )
        of_pairs = (pairs[name][which] for name in ("read", "haplotype", "diagonal"))
        out[which] = pairhmm.costs(*(pairs[name] for name in names), *of_pairs, left, right)
    return out


def once(columns: dict[str, object], bases: np.ndarray, start: int, end: int) -> Counts:
    """One run of the stages."""
    seconds: dict[str, float] = {}

    def timed(stage: str, run: Callable[[], Any]) -> Any:
        before = time.process_time()
        result = run()
        seconds[stage] = seconds.get(stage, 0.0) + time.process_time() - before
        return result

    given = (columns, bases, start, end, 2, asdict(DEFAULT_PARAMETERS))
    calling = timed("reads, pileup, candidates", lambda: _twin.StagedCalling(*given))
    first = timed("haplotypes", calling.pairs)
    first_costs = timed("PairHMM", lambda: costs(first))
    found = Pairs(**timed("assembly", lambda: calling.compared(first_costs)))
    aligned = timed("Smith-Waterman", lambda: cpu_align(found, slack=_twin.SLACK_OF_HAPLOTYPES))
    second = timed("haplotypes", lambda: calling.aligned(aligned.offsets, aligned.ops))
    second_costs = timed("PairHMM", lambda: costs(second))
    timed("genotypes, blocks", lambda: calling.compared_again(second_costs))

    cells = computed = pair_bytes = 0
    doubled = 0.0
    for pairs, of_pairs in ((first, first_costs), (second, second_costs)):
        length = np.diff(pairs["read_offsets"])[pairs["read"]].astype(np.int64)
        width = pairs["left"] + pairs["right"] + 1
        group = np.array(GROUPS)[np.searchsorted(COLUMNS * np.array(GROUPS), width)]
        filled = (length + group * (COLUMNS // 2) - 1) * group * COLUMNS
        cells += int((length * width).sum())
        computed += int(filled.sum())
        # 10 log10 of 2^190: the least that float32 tells.
        doubled += float(filled[of_pairs > 572].sum())
        pair_bytes += sum(array.nbytes for array in pairs.values()) + 8 * len(length)
    n, m = (
        np.diff(o)[w] for o, w in ((found.query_offsets, found.query), (found.target_offsets, found.target))
    )
    capacity = np.array([columns * lanes for columns, lanes in TILES])
    tile = capacity[np.searchsorted(capacity, np.abs(m - n) + 2 * _twin.SLACK_OF_HAPLOTYPES + 1)]
    return Counts(
        records=len(columns["start"]),  # type: ignore[arg-type]
        bases=len(columns["seq"][1]),  # type: ignore[index]
        seconds=seconds,
        cells=cells,
        computed=computed,
        doubled=doubled / computed,
        aligned=int(((n + tile // 2) * tile).sum()),
        pair_bytes=pair_bytes,
    )


def reading(rows: pa.Table, bases: np.ndarray, start: int, end: int) -> dict[str, float]:
    """Processor time, least of five runs, of what stands between stored columns and the active regions."""
    against = codecs.ContigBases(digest="d", contig="chr20", bases=bases)
    blocks = []
    for first in range(0, rows.num_rows, BLOCK_ROWS):
        part = rows.slice(first, BLOCK_ROWS)
        text = {name: part[name].combine_chunks() for name in ("cigar", "seq", "qual", "name")}
        starts = part["start"].to_numpy().astype(np.int64)
        placement = codecs.Placement(starts=starts, ends=starts, cigars=text["cigar"])
        sequences = codecs.encode_sequences(text["seq"], placement, against)
        texts = codecs.encode_names(text["name"]), codecs.encode_texts(text["qual"])
        blocks.append((placement, sequences, *texts))
    whole = _columns(rows)
    lengths = {name: (whole[name][0], np.zeros(0, np.uint8)) for name in ("seq", "qual")}  # type: ignore[index]
    given = (bases, start, end, 2, asdict(DEFAULT_PARAMETERS))
    steps: dict[str, Callable[[], object]] = {
        "names": lambda: [codecs.decode_names(names) for _, _, names, _ in blocks],
        "qualities": lambda: [codecs.decode_texts(qual) for _, _, _, qual in blocks],
        "bases": lambda: [codecs.decode_sequences(seq, p, against) for p, seq, _, _ in blocks],
        "bases, what differs alone": lambda: [codecs.sequence_parts(s, p.cigars) for p, s, _, _ in blocks],
        "reads chosen and paired": lambda: _twin.WalkedCalling(whole | lengths | {"resident": True}, *given),
        "the same, walked along, candidates": lambda: _twin.StagedCalling(whole, *given),
    }
    seconds = {}
    for name, step in steps.items():
        times = []
        for _ in range(RUNS):
            before = time.process_time()
            step()
            times.append(time.process_time() - before)
        seconds[name] = min(times)
    return seconds


def slice_of(data: Path) -> tuple[pa.Table, np.ndarray, int, int]:
    """The NA12878 slice: alignments, contig, and the region called."""
    folder = data / "accuracy_NA12878_chr20"
    start, end = 9_999_000, 10_101_000
    rows = alignments(folder / "NA12878_S1.chr20.10_10p1mb.bam", "chr20", start, end)
    with pysam.FastaFile(str(folder / "ucsc.hg19.chr20.unittest.fasta.gz")) as reference:
        return rows, np.frombuffer(reference.fetch("chr20").encode(), np.uint8), start, end


def measured(data: Path) -> Counts:
    """The counts, with the least time of each stage."""
    rows, bases, start, end = slice_of(data)
    runs = [once(_columns(rows), bases, start, end) for _ in range(RUNS)]
    least = {stage: min(run.seconds[stage] for run in runs) for stage in runs[0].seconds}
    counts = {name: getattr(runs[0], name) for name in Counts.__slots__ if name != "seconds"}
    return Counts(**counts, seconds=least)


def floors(counts: Counts, device: Device, scale: float) -> dict[str, float]:
    """Least seconds of each stage on a device, for the genome."""
    stored = counts.records * STORED_BYTES
    decoded = 2 * counts.bases + 40 * counts.records  # bases, qualities and the plain columns
    hmm = counts.computed * (INSTRUCTIONS["pairhmm_float"] + counts.doubled * INSTRUCTIONS["pairhmm_double"])
    seconds = {
        "stored columns over the bus": stored / device.bus,
        "decoding: writing the columns": decoded / device.memory,
        "pileup: reading them": decoded / device.memory,
        "PairHMM: batches over the bus": counts.pair_bytes / device.bus,
        "PairHMM: instructions": hmm / 32 / device.issue,
        "Smith-Waterman: instructions": counts.aligned * INSTRUCTIONS["smithwaterman"] / 32 / device.issue,
    }
    return {stage: scale * value / device.count for stage, value in seconds.items()}


def main() -> None:
    """Count, scale, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    counts = measured(data)
    scale = GENOME_BASES / counts.bases
    print(
        f"{counts.records:,} alignments, {counts.bases:,} bases; a genome at 30x is {scale:,.0f} times that.\n"
    )
    print("| counted | slice | genome at 30x |\n|---|---|---|")
    for name, value in (
        ("PairHMM, cells of bands", counts.cells),
        ("PairHMM, cells as tiles compute them", counts.computed),
        ("of these again in float64", counts.computed * counts.doubled),
        ("Smith-Waterman, cells as tiles compute them", counts.aligned),
        ("bytes of PairHMM batches", counts.pair_bytes),
        ("bytes stored", counts.records * STORED_BYTES),
    ):
        print(f"| {name} | {value:.3g} | {value * scale:.3g} |")
    total = sum(counts.seconds.values())
    print(f"\n| stage of calling | CPU ms, slice | share | genome, s on {CORES} cores |\n|---|---|---|---|")
    for stage, seconds in (*counts.seconds.items(), ("all", total)):
        print(f"| {stage} | {1e3 * seconds:.1f} | {seconds / total:.0%} | {seconds * scale / CORES:.0f} |")
    print(f"\n| columns to reads | CPU ms, slice | genome, s on {CORES} cores |\n|---|---|---|")
    for step, seconds in reading(*slice_of(data)).items():
        print(f"| {step} | {1e3 * seconds:.1f} | {seconds * scale / CORES:.0f} |")
    print(f"\n| floor, s | {' | '.join(device.name for device in DEVICES)} |\n|---|{'---|' * len(DEVICES)}")
    columns = [floors(counts, device, scale) for device in DEVICES]
    for stage in columns[0]:
        print(f"| {stage} | {' | '.join(f'{column[stage]:.2f}' for column in columns)} |")


if __name__ == "__main__":
    main()
