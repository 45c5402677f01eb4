"""Alignments with every operation, and what the CPU's pileup says of them."""

from dataclasses import asdict

import numpy as np
import pyarrow as pa

from baselake.compute.device import Gpu
from baselake.compute.pileup import DEFAULT_PARAMETERS, _columns, _twin
from baselake.compute.pileup.reference import Alignment
from baselake.compute.pileup.walk import FlatReads, gpu_walk

from ..cuda_emulation.device import Machine
from .reads import as_table

LEAST_QUALITY = DEFAULT_PARAMETERS.min_base_quality


def random_alignments(seed: int, count: int, contig: str) -> pa.Table:
    """Pairs that overlap or not, with clips, gaps, skips, bases that are none and qualities from 0."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        start = int(rng.integers(0, len(contig) - 400))
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
        qual = rng.integers(33, 80, len(bases)).astype(np.uint8).tobytes().decode()
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


def flat_reads(alignments: pa.Table, contig: np.ndarray, start: int, end: int) -> tuple[FlatReads, dict]:
    """Usable reads, and what the CPU's pileup makes of them."""
    given = (_columns(alignments), contig, start, end, asdict(DEFAULT_PARAMETERS))
    flat = _twin.flat_reads(*given)
    names = ("start", "end", "fragment", "ops", "bases", "reference", "begin")
    reads = FlatReads(**{name: flat[name] for name in names}, quality=flat["quality"][1])
    events = _twin.events(*given)
    single = (events["ref_length"] == 1) & (np.diff(events["alt"][0]) == 1)
    alt = events["alt"][1][events["alt"][0][:-1][single]]
    order = np.lexsort((events["quality"][single], alt, events["position"][single]))
    return reads, {
        "depth": flat["depth"],
        "informative": flat["informative"],
        "position": events["position"][single][order],
        "base": alt[order],
        "quality": events["quality"][single][order],
    }


def same_walk(gpu: Gpu, reads: FlatReads, expected: dict) -> bool:
    """Whether depths and substitutions are the CPU's."""
    found = gpu_walk(gpu, reads, least_quality=LEAST_QUALITY)
    order = np.lexsort((found.quality, found.base, found.position))
    given = {name: getattr(found, name)[order] for name in ("position", "base", "quality")}
    given |= {"depth": found.depth, "informative": found.informative}
    read_start, read_end = reads.start[found.read], reads.end[found.read]
    assert np.all((found.position >= read_start) & (found.position < read_end))
    return all(np.array_equal(given[name], expected[name]) for name in expected)


def compare_sanitized() -> None:
    """For a process that AddressSanitizer watches."""
    contig = "".join(np.random.default_rng(0).choice(list("ACGT"), 900))
    bases = np.frombuffer(contig.encode(), np.uint8)
    assert same_walk(
        Gpu(Machine(sanitized=True).module, 0), *flat_reads(random_alignments(1, 60, contig), bases, 0, 900)
    )
