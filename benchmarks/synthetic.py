"""A made chromosome and alignments to it, as an aligner that never errs would have them."""

from bisect import bisect_right
from pathlib import Path

import numpy as np
import pysam

READ, INSERT, SPREAD = 150, 400, 50
_SNV_EVERY, _DELETION_EVERY = 1_000, 10_000  # bases; a person's, about
_BINS = np.array([2, 12, 23, 37], np.uint8)  # of an instrument with four qualities
_SHARES = (0.01, 0.04, 0.1, 0.85)
_ACGT = np.frombuffer(b"ACGT", np.uint8)


def make(folder: Path, bases: int, depth: float, seed: int = 1) -> tuple[Path, Path]:
    """Writes `synthetic.fa` and `synthetic.bam`, sorted and indexed, of the contig `made`.

    One copy of two has substitutions and short deletions; bases err as their qualities say.

    Args:
        folder: where to.
        bases: length of the contig.
        depth: mean.
        seed: of chance.
    """
    rng = np.random.default_rng(seed)
    contig = _ACGT[rng.integers(0, 4, bases)]
    other = contig.copy()
    snvs = rng.choice(bases, bases // _SNV_EVERY, replace=False)
    other[snvs] = _ACGT[(np.searchsorted(_ACGT, other[snvs]) + rng.integers(1, 4, len(snvs))) % 4]
    deletions = np.unique(rng.choice(bases, max(1, bases // _DELETION_EVERY))).tolist()
    fasta, bam = folder / "synthetic.fa", folder / "synthetic.bam"
    fasta.write_bytes(b">made\n" + contig.tobytes() + b"\n")
    pysam.faidx(str(fasta))
    pairs = int(bases * depth / (2 * READ))
    first = np.sort(rng.integers(0, bases - INSERT - 4 * SPREAD, pairs))
    second = first + np.clip(rng.normal(INSERT - READ, SPREAD, pairs), 0, INSERT).astype(np.int64)
    copy = rng.integers(0, 2, pairs).tolist()
    starts = np.concatenate((first, second))
    header = pysam.AlignmentHeader.from_dict(
        {
            "HD": {"VN": "1.6", "SO": "coordinate"},
            "SQ": [{"SN": "made", "LN": bases}],
            "RG": [{"ID": "g", "SM": "SYNTHETIC", "LB": "l", "PL": "ILLUMINA"}],
        }
    )
    with pysam.AlignmentFile(str(bam), "wb", header=header) as out:
        for number in np.argsort(starts, kind="stable").tolist():
            pair, is_second = number % pairs, number >= pairs
            start, mate = int(starts[number]), int(starts[(number + pairs) % (2 * pairs)])
            qualities = rng.choice(_BINS, READ, p=_SHARES)
            bases_of, cigar = _spelled(
                other if copy[pair] else contig, deletions if copy[pair] else [], start
            )
            errs = rng.random(READ) < 10.0 ** (qualities / -10.0)
            bases_of[errs] = _ACGT[rng.integers(0, 4, int(errs.sum()))]
            record = pysam.AlignedSegment(header)
            record.query_name = f"made:{pair}"
            record.flag = 0x1 | 0x2 | (0x90 if is_second else 0x60)
            record.reference_id = record.next_reference_id = 0
            record.reference_start, record.next_reference_start = start, mate
            record.mapping_quality, record.cigarstring = 60, cigar
            record.query_sequence = bases_of.tobytes().decode()
            record.query_qualities = qualities.tolist()
            record.set_tag("RG", "g")
            out.write(record)
    pysam.index(str(bam))
    return fasta, bam


def _spelled(copy: np.ndarray, deletions: list[int], start: int) -> tuple[np.ndarray, str]:
    """Bases of a read, and its CIGAR: of two bases deleted after the first place that it spans well."""
    place = bisect_right(deletions, start + 20)
    if place < len(deletions) and deletions[place] < start + READ - 20:
        before = deletions[place] - start
        return np.concatenate(
            (copy[start : start + before], copy[start + before + 2 : start + READ + 2])
        ), f"{before}M2D{READ - before}M"
    return copy[start : start + READ].copy(), f"{READ}M"
