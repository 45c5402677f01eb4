"""Alignments with every operation, and what the CPU's pileup says of them."""

from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from baselake.compute.device import Gpu
from baselake.compute.pileup import DEFAULT_PARAMETERS, _columns, _twin, genotype_region
from baselake.compute.pileup.reference import Alignment
from baselake.compute.pileup.resident import DeviceAlignments, on_device
from baselake.compute.pileup.walk import Ops, ReadPlaces, Walk
from baselake.lake.columns.codecs import (
    ContigBases,
    Placement,
    encode_sequences,
    encode_texts,
    sequence_parts,
    text_parts,
)
from baselake.lake.columns.reader import CodedBlock, CodedRows

from ..cuda_emulation.device import Machine
from .reads import as_table

LEAST_QUALITY = DEFAULT_PARAMETERS.min_base_quality


def random_alignments(seed: int, count: int, contig: str) -> pa.Table:
    """Pairs that overlap or not, with clips, gaps, skips, bases that are none and qualities from 0."""
    rng = np.random.default_rng(seed)
    rows, start = [], 0
    for number in range(count):
        # Every other read has its mate before it, most of them near.
        near = number % 2 and rng.random() < 0.7
        start = (
            max(0, start + int(rng.integers(-60, 60))) if near else int(rng.integers(0, len(contig) - 400))
        )
        start = min(start, len(contig) - 400)
        cigar, seq, at = "", "", start
        kinds = ["S", *rng.choice(list("MMMIDN"), int(rng.integers(0, 6))), "M", "S"]
        for kind in kinds if rng.random() < 0.5 else ["M"]:
            length = int(rng.integers(1, 100 if kind == "M" else 9))
            cigar += f"{length}{kind}"
            if kind in "MIS":
                seq += contig[at : at + length] if kind == "M" else "".join(rng.choice(list("ACGT"), length))
            at += length if kind in "MDN" else 0
        bases = np.frombuffer(seq.encode(), np.uint8).copy()
        wrong = rng.random(len(bases)) < 0.05
        bases[wrong] = rng.choice(np.frombuffer(b"ACGTNacgtR", np.uint8), int(wrong.sum()))
        # Of qualities in general, of one alone, and none.
        kind = rng.random()
        low, high = (33, 80) if kind < 0.9 else (70, 71)
        qual = rng.integers(low, high, len(bases)).astype(np.uint8).tobytes().decode()
        qual = None if kind > 0.95 else qual
        rows.append(
            Alignment(
                start=start,
                flag=int(rng.choice([0, 16])) | (64 if number % 2 else 128),
                mapq=60,
                cigar=cigar,
                seq=bases.tobytes().decode(),
                qual=qual,
                name=f"p{number // 2}",
                duplicate=False,
            )
        )
    return as_table(rows)


@dataclass(frozen=True)
class Flat:
    """Usable reads in order as they lie on a device before their walk."""

    places: ReadPlaces
    ops: Ops
    bases: np.ndarray
    quality: np.ndarray


def flat_reads(alignments: pa.Table, contig: np.ndarray, start: int, end: int) -> tuple[Flat, dict]:
    """Usable reads, and what the CPU's pileup makes of them."""
    given = (_columns(alignments), contig, start, end, asdict(DEFAULT_PARAMETERS))
    flat = _twin.flat_reads(*given)
    names = ("start", "end", "fragment", "reference", "begin")
    places = ReadPlaces(**{name: flat[name] for name in names}, offsets=flat["bases"][0])
    events = _twin.events(*given)
    single = (events["ref_length"] == 1) & (np.diff(events["alt"][0]) == 1)
    alt = events["alt"][1][events["alt"][0][:-1][single]]
    order = np.lexsort((events["quality"][single], alt, events["position"][single]))
    return Flat(places, flat["ops"], flat["bases"][1], flat["quality"][1]), {
        "depth": flat["depth"],
        "informative": flat["informative"],
        "position": events["position"][single][order],
        "base": alt[order],
        "quality": events["quality"][single][order],
    }


def same_walk(gpu: Gpu, reads: Flat, expected: dict) -> bool:
    """Whether depths and substitutions are the CPU's."""
    with gpu.using():
        work = gpu.work()
        walk = Walk(gpu, work, reads.places, work.put(reads.bases), work.put(reads.quality))
        found = walk.walk(reads.ops, LEAST_QUALITY)
    order = np.lexsort((found.quality, found.base, found.position))
    given = {name: getattr(found, name)[order] for name in ("position", "base", "quality")}
    given |= {"depth": found.depth, "informative": found.informative}
    read = np.repeat(np.arange(len(found.numbers)), found.numbers)
    assert np.all((found.position >= reads.places.start[read]) & (found.position < reads.places.end[read]))
    return all(np.array_equal(given[name], expected[name]) for name in expected)


def coded_rows(alignments: pa.Table, contig: np.ndarray, block_rows: int = 500) -> CodedRows:
    """Bases and qualities of rows as a lake stores them, in blocks of so many."""
    against = ContigBases(digest="d", contig="chr1", bases=contig)
    blocks = []
    for first in range(0, alignments.num_rows, block_rows):
        part = alignments.slice(first, block_rows)
        text = {name: part[name].combine_chunks() for name in ("cigar", "seq", "qual")}
        start = part["start"].to_numpy().astype(np.int64)
        placement = Placement(starts=start, ends=start, cigars=text["cigar"])
        blocks.append(
            CodedBlock(
                sequences=sequence_parts(encode_sequences(text["seq"], placement, against), text["cigar"]),
                contig=against,
                qualities=text_parts(encode_texts(text["qual"])),
            )
        )
    rows = np.arange(alignments.num_rows)
    return CodedRows(blocks=tuple(blocks), block=rows // block_rows, row=rows % block_rows)


def _never() -> pa.Table:
    raise AssertionError("the CPU decodes what lies on the device")


def resident(gpu: Gpu, alignments: pa.Table, contig: np.ndarray) -> DeviceAlignments:
    """Alignments of a lake on a device."""
    coded = coded_rows(alignments, contig)
    plain = alignments.drop_columns(["seq", "qual"])
    found = on_device(gpu, plain, coded, len(contig), _never)
    assert found is not None
    return found


def compare_sanitized() -> None:
    """For a process that AddressSanitizer watches."""
    contig = "".join(np.random.default_rng(0).choice(list("ACGT"), 900))
    bases = np.frombuffer(contig.encode(), np.uint8)
    rows = random_alignments(1, 60, contig)
    gpu = Gpu(Machine(sanitized=True).module, 0)
    assert same_walk(gpu, *flat_reads(rows, bases, 0, 900))
    called = genotype_region(resident(gpu, rows, bases), bases, 0, 900)
    expected = genotype_region(rows, bases, 0, 900)
    assert called.calls.equals(expected.calls)
    assert called.blocks.equals(expected.blocks)
