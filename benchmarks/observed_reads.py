"""What real alignments tell of a sequencer: qualities as they come, how often they are wrong, sizes of inserts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam
from numpy.typing import NDArray

from baselake.demo.quality import Qualities

_QUALITIES = 64
_FEWEST_BASES = 2_000  # of one quality, to measure how often it is wrong
_MIN_MAPQ = 30
_CLEAR_DEPTH = 8  # fragments, to tell a variant from errors
_MOST_DIFFERENT = 0.15  # of them; where more differ, the person may
_FURTHEST_MATE = 1_000  # bases: a longer template is no insert


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedReads:
    """Read pairs of one run: what a simulated run draws its qualities from.

    Attributes:
        qualities: of segments 1 and 2 as sequenced, uint8 [pairs, cycles]; a pair is drawn whole, so that
            qualities go together as they do in reality, along a read and from read to read.
        errors: substitutions a base by reported quality, float32 [64]; where too few bases have it, what the
            quality says.
        insert_mean: mean length of templates, bases.
        insert_sd: standard deviation of it.
    """

    qualities: Qualities
    errors: NDArray[np.float32]
    insert_mean: float
    insert_sd: float

    @property
    def read_length(self) -> int:
        """Cycles of one segment."""
        return self.qualities[0].shape[1]

    def sampler(self, read_length: int) -> Callable[[np.random.Generator, int], Qualities]:
        """What draws the qualities of a number of templates.

        Raises:
            ValueError: the observed reads have another length.
        """
        if read_length != self.read_length:
            raise ValueError(f"qualities were observed at {self.read_length} cycles, not {read_length}")

        def draw(rng: np.random.Generator, templates: int) -> Qualities:
            chosen = rng.integers(0, len(self.qualities[0]), templates)
            return self.qualities[0][chosen], self.qualities[1][chosen]

        return draw

    def error_rates(self) -> NDArray[np.float32]:
        """Substitutions a base, by reported quality 0 to 63."""
        return self.errors


def observe(sources: Sequence[tuple[Path, str]], fasta: Path) -> ObservedReads:
    """Learn from alignments of one kind of run.

    Args:
        sources: BAM files, indexed, and the contig to look at.
        fasta: what they are aligned to, indexed.

    Raises:
        ValueError: no pair of full-length reads is there.
    """
    firsts, lasts, inserts = [], [], []
    total, wrong = np.zeros(_QUALITIES, np.int64), np.zeros(_QUALITIES, np.int64)
    for path, contig in sources:
        records = list(primary(path, contig))
        length = max(record.query_length for record in records)
        waiting: dict[str, pysam.AlignedSegment] = {}
        for record in records:
            if record.query_length != length:
                continue
            mate = waiting.pop(record.query_name, None)
            if mate is None:
                waiting[record.query_name] = record
            elif mate.is_read1 != record.is_read1:
                first, last = (mate, record) if mate.is_read1 else (record, mate)
                firsts.append(_as_sequenced(first))
                lasts.append(_as_sequenced(last))
        inserts += [r.template_length for r in records if 0 < r.template_length < _FURTHEST_MATE]
        seen, differing = substitutions(records, fasta, contig)
        total += seen
        wrong += differing
    if not firsts:
        raise ValueError(f"no read pairs in {', '.join(str(path) for path, _ in sources)}")
    said = 10.0 ** (-np.arange(_QUALITIES) / 10)
    measured = np.where(total >= _FEWEST_BASES, (wrong + 0.5) / np.maximum(total, 1), said)
    return ObservedReads(
        qualities=(np.stack(firsts), np.stack(lasts)),
        errors=np.minimum(measured, 0.75).astype(np.float32),
        insert_mean=float(np.mean(inserts)),
        insert_sd=float(np.std(inserts)),
    )


def substitutions(
    records: Sequence[pysam.AlignedSegment], fasta: Path, contig: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Aligned bases and those that differ, by quality, where the person is like the reference.

    Returns:
        Two int64 arrays of 64.
    """
    seen = invariant_bases(records, fasta, contig)
    return (
        np.bincount(seen.quality, minlength=_QUALITIES),
        np.bincount(seen.quality[seen.differs], minlength=_QUALITIES),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InvariantBases:
    """Aligned bases of reads at places where the person is like the reference; arrays of one length.

    Attributes:
        quality: uint8, phred.
        cycle: int64, 0-based, as sequenced.
        differs: bool, from the reference.
    """

    quality: NDArray[np.uint8]
    cycle: NDArray[np.int64]
    differs: NDArray[np.bool_]


def invariant_bases(records: Sequence[pysam.AlignedSegment], fasta: Path, contig: str) -> InvariantBases:
    """Collect aligned bases.

    Left out are places where 15% of the reads differ (a variant, a misplaced read), those with less than 8 reads,
    reads that are duplicates or mapped under 30, and the bases of soft clips.
    """
    places, qualities, cycles, differs = [], [], [], []
    low = min(record.reference_start for record in records)
    high = max(record.reference_end or 0 for record in records)
    with pysam.FastaFile(str(fasta)) as reference:
        bases = np.frombuffer(reference.fetch(contig, low, high).upper().encode(), np.uint8)
    matches = (pysam.CMATCH, pysam.CEQUAL, pysam.CDIFF)
    for record in records:
        if record.mapping_quality < _MIN_MAPQ or record.is_duplicate:
            continue
        seq = np.frombuffer(record.query_sequence.encode(), np.uint8)
        quality = np.array(record.query_qualities, np.uint8)
        at, place = 0, record.reference_start - low
        for operation, count in record.cigartuples:
            if operation in matches:
                offsets = np.arange(at, at + count)
                places.append(np.arange(place, place + count))
                qualities.append(quality[at : at + count])
                cycles.append(seq.size - 1 - offsets if record.is_reverse else offsets)
                differs.append(seq[at : at + count] != bases[place : place + count])
            if operation in (*matches, pysam.CDEL, pysam.CREF_SKIP):
                place += count
            if operation in (*matches, pysam.CINS, pysam.CSOFT_CLIP):
                at += count
    place, different = np.concatenate(places), np.concatenate(differs)
    depth = np.bincount(place, minlength=bases.size)
    share = np.bincount(place, different, minlength=bases.size) / np.maximum(depth, 1)
    kept = ((depth >= _CLEAR_DEPTH) & (share < _MOST_DIFFERENT) & (bases != ord("N")))[place]
    return InvariantBases(
        quality=np.concatenate(qualities)[kept], cycle=np.concatenate(cycles)[kept], differs=different[kept]
    )


def primary(path: Path, contig: str) -> Iterator[pysam.AlignedSegment]:
    """Mapped records that are the one place of their read."""
    with pysam.AlignmentFile(str(path)) as bam:
        for record in bam.fetch(contig):
            if not (record.is_secondary or record.is_supplementary or record.is_unmapped):
                yield record


def _as_sequenced(record: pysam.AlignedSegment) -> NDArray[np.uint8]:
    quality = np.array(record.query_qualities, np.uint8)
    return quality[::-1] if record.is_reverse else quality
