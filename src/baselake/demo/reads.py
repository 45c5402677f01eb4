"""An Illumina paired-end run: fragments are read with errors, and written as FASTQ where that is wanted.

Substitutions come at the rate the quality stands for, and more often at the few places where the eight bases
before make one strand hard to read, as GGC motifs do on real instruments. Templates shorter than a read run into the
adapter. No Python runs per read: a chunk of templates is a matrix of bases.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from baselake.demo.fragments import Fragments, Library, draw_fragments
from baselake.demo.genome import Bases
from baselake.demo.quality import NOVASEQ, QualitySource
from baselake.progress import QUIET, Progress

# TruSeq adapters as published by Illumina, then the poly-G of an empty two-colour cycle.
_ADAPTERS = (
    b"AGATCGGAAGAGCACACGTCTGAACTCCAGTCAC",
    b"AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT",
)
_CHUNK = 20_000  # templates made at once: about 100 MB of arrays
_NO_CALL_RATE = 3e-5
_NO_CALL_QUALITY = 2
_HARD_CONTEXT = 8  # bases before a base that may make it hard to read
_HARD_SHARE = 1e-4  # of contexts
_HARD_ERROR = 0.12
_HARD_QUALITY = 25  # at most; the instrument does not know how hard it is

_COMPLEMENT = np.full(256, ord("N"), dtype=np.uint8)
_COMPLEMENT[np.frombuffer(b"ACGT", dtype=np.uint8)] = np.frombuffer(b"TGCA", dtype=np.uint8)
_CODE = np.full(256, 4, dtype=np.uint8)
_CODE[np.frombuffer(b"ACGT", dtype=np.uint8)] = np.arange(4)
_BASE = np.frombuffer(b"ACGTN", dtype=np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One lane of a paired-end run.

    Attributes:
        instrument: as read names have it.
        run_number: of the instrument.
        flowcell: flowcell identifier.
        lane: 1-based.
        index: index bases in the comment of a read.
        read_length: cycles of one segment.
        quality: what the instrument reports, and how far that is true.
        library: how the library was made.
    """

    instrument: str = "BLSIM01"
    run_number: int = 1
    flowcell: str = "HBASELAKE"
    lane: int = 1
    index: str = "ATTACTCG"
    read_length: int = 150
    quality: QualitySource = NOVASEQ
    library: Library = field(default_factory=Library)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """Some templates of a run.

    Attributes:
        fragments: the templates.
        seq: bases of segments 1 and 2, ASCII [templates, cycles].
        quality: their phred, uint8 [templates, cycles].
    """

    fragments: Fragments
    seq: tuple[Bases, Bases]
    quality: tuple[NDArray[np.uint8], NDArray[np.uint8]]


def simulate_run(
    folder: Path,
    sample: str,
    haplotypes: Sequence[Bases],
    depths: Sequence[float],
    *,
    run: Run,
    seed: int,
    progress: Progress = QUIET,
) -> tuple[Path, Path]:
    """Sequence haplotypes and write gzipped FASTQ.

    Args:
        folder: where the two files go; made where absent.
        sample: sample name, the first part of the file names.
        haplotypes: ASCII bases of each copy of each contig.
        depths: mean coverage of each.
        run: the instrument, the library and the lane.
        seed: the same seed writes the same reads.
        progress: where progress is shown.

    Returns:
        Paths of segments 1 and 2.
    """
    from isal import igzip

    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{sample}_S1_L{run.lane:03d}"
    paths = folder / f"{stem}_R1_001.fastq.gz", folder / f"{stem}_R2_001.fastq.gz"
    with (
        igzip.open(paths[0], "wb", compresslevel=1) as first,
        igzip.open(paths[1], "wb", compresslevel=1) as last,
        progress.task(f"sequence {sample}", unit="reads") as task,
    ):
        for chunk in simulate_reads(haplotypes, depths, run=run, seed=seed):
            for segment, output in ((1, first), (2, last)):
                seq, quality = chunk.seq[segment - 1], chunk.quality[segment - 1]
                output.write(_fastq(run, chunk.fragments, segment, seq, quality))
            task.advance(2 * len(chunk.fragments))
    return paths


def simulate_reads(
    haplotypes: Sequence[Bases], depths: Sequence[float], *, run: Run, seed: int
) -> Iterator[Reads]:
    """Yields the reads of a run, some thousands of templates at a time; arguments as of `simulate_run`."""
    rng = np.random.default_rng(seed)
    fragments = draw_fragments(rng, haplotypes, depths, run.library, run.read_length)
    genome = np.concatenate(haplotypes)
    hard = _hard_places(genome, seed=0)
    draw, errors = run.quality.sampler(run.read_length), run.quality.error_rates()
    for begin in range(0, len(fragments), _CHUNK):
        chunk = fragments.take(slice(begin, begin + _CHUNK))
        quality = draw(rng, len(chunk))
        first = _read(rng, genome, hard, chunk, 1, quality[0], errors)
        last = _read(rng, genome, hard, chunk, 2, quality[1], errors)
        yield Reads(fragments=chunk, seq=(first, last), quality=(quality[0], quality[1]))


def _read(
    rng: np.random.Generator,
    genome: Bases,
    hard: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    fragments: Fragments,
    segment: int,
    quality: NDArray[np.uint8],
    errors: NDArray[np.float32],
) -> Bases:
    """Bases of one segment, templates x cycles, wrong as often as `errors` says of their quality.

    Lowers `quality` where a base is hard or not called.
    """
    cycles = np.arange(quality.shape[1], dtype=np.int32)
    length = fragments.length[:, None]
    backward = (fragments.reverse ^ (segment == 2))[:, None]
    along = np.where(backward, length - 1 - cycles, cycles)
    inside = (along >= 0) & (along < length)
    along = along.clip(0, length - 1)
    slipped = along + fragments.slip[:, None] * (along >= fragments.slip_at[:, None])
    place = fragments.start[:, None] + slipped
    seq = genome[place]
    seq = np.where(backward, _COMPLEMENT[seq], seq)
    hard_here = np.where(backward, hard[1][place], hard[0][place]) & inside

    past = cycles - length
    adapter = np.full(quality.shape[1], ord("G"), dtype=np.uint8)
    known = np.frombuffer(_ADAPTERS[segment - 1], dtype=np.uint8)[: adapter.size]
    adapter[: known.size] = known
    seq = np.where(inside, seq, adapter[past.clip(0, adapter.size - 1)])

    quality[hard_here] = np.minimum(quality[hard_here], _HARD_QUALITY)
    error = errors[quality]
    error[hard_here] = _HARD_ERROR
    wrong = np.flatnonzero(rng.random(quality.shape, dtype=np.float32) < error)
    flat = seq.reshape(-1)
    code = _CODE[flat[wrong]]
    other = (code + rng.integers(1, 4, wrong.size, dtype=np.uint8)) % 4
    # At a hard place the previous base is read again: out of phase.
    previous = _CODE[flat[np.maximum(wrong - 1, 0)]]
    repeated = hard_here.reshape(-1)[wrong] & (previous != code) & (previous < 4)
    flat[wrong] = _BASE[np.where(repeated, previous, other)]
    uncalled = np.flatnonzero(rng.random(quality.shape, dtype=np.float32) < _NO_CALL_RATE)
    flat[uncalled] = ord("N")
    quality.reshape(-1)[uncalled] = _NO_CALL_QUALITY
    quality[seq == ord("N")] = _NO_CALL_QUALITY
    return seq


def _hard_places(genome: Bases, *, seed: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where a base is hard to read on the forward and on the reverse strand, by the bases read before it."""
    contexts = np.random.default_rng(seed).random(4**_HARD_CONTEXT) < _HARD_SHARE
    codes = _CODE[genome] % 4  # N has no reads
    forward = np.zeros(genome.size, dtype=bool)
    reverse = np.zeros(genome.size, dtype=bool)
    word = np.zeros(genome.size - _HARD_CONTEXT, dtype=np.uint32)
    backward = np.zeros(genome.size - _HARD_CONTEXT, dtype=np.uint32)
    for step in range(_HARD_CONTEXT):
        word = word * 4 + codes[step : step + word.size]
        at = _HARD_CONTEXT - step
        backward = backward * 4 + (3 - codes[at : at + backward.size])
    forward[_HARD_CONTEXT:] = contexts[word]
    reverse[:-_HARD_CONTEXT] = contexts[backward]
    return forward, reverse


def _fastq(run: Run, fragments: Fragments, segment: int, seq: Bases, quality: NDArray[np.uint8]) -> bytes:
    """Text of one segment: fixed columns with zero bytes for the digits a number lacks, then squeezed."""
    parts = [
        _repeated(f"@{run.instrument}:{run.run_number}:{run.flowcell}:{run.lane}:", len(fragments)),
        _digits(fragments.tile, 4),
        _repeated(":", len(fragments)),
        _digits(fragments.x, 5),
        _repeated(":", len(fragments)),
        _digits(fragments.y, 5),
        _repeated(f" {segment}:N:0:{run.index}\n", len(fragments)),
        seq,
        _repeated("\n+\n", len(fragments)),
        quality + np.uint8(33),
        _repeated("\n", len(fragments)),
    ]
    text = np.concatenate(parts, axis=1).reshape(-1)
    return text[text != 0].tobytes()


def _repeated(text: str, rows: int) -> Bases:
    return np.broadcast_to(np.frombuffer(text.encode(), dtype=np.uint8), (rows, len(text)))


def _digits(numbers: NDArray[np.int64], width: int) -> Bases:
    """Decimal digits, zero bytes in place of leading zeros."""
    powers = 10 ** np.arange(width - 1, -1, -1)
    digits = (numbers[:, None] // powers % 10 + ord("0")).astype(np.uint8)
    digits[numbers[:, None] < powers] = 0
    return digits
