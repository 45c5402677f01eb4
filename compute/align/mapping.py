"""Mapping of short reads with minimap2, by its Python binding mappy."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baselake.catalog.references import Contig, Reference
from baselake.compute.align._mapping import map_templates
from baselake.compute.align.templates import Templates
from baselake.compute.arrow_columns import string_buffers
from baselake.errors import LakeError
from baselake.lake.parquet import storage_error, sync_folder

if TYPE_CHECKING:
    import mappy

# minimap2's preset for short reads.
_PRESET = "sr"
# Contigs that spell places of the chromosomes another way, as UCSC and the GRCh38 analysis sets (_alt), UCSC's hg19
# (_hap1), bwakit (HLA-) and Ensembl (CHR_H) name them.
_ALTERNATE = re.compile(r".*(_alt|_hap\d+)|HLA-.*|CHR_H.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """Alignment scores, as positive numbers; the defaults are those of minimap2's `sr` preset.

    Attributes:
        match: of two equal bases.
        mismatch: lost at a mismatch.
        open, extend: a gap of n costs open + n * extend,
        open_long, extend_long: or open_long + n * extend_long where that is less.
        ambiguous: lost where either base is not A, C, G or T.
    """

    match: int = 2
    mismatch: int = 8
    open: int = 12
    extend: int = 2
    open_long: int = 24
    extend_long: int = 1
    ambiguous: int = 1

    def values(self) -> tuple[int, int, int, int, int, int, int]:
        """In mappy's order."""
        return (
            self.match,
            self.mismatch,
            self.open,
            self.extend,
            self.open_long,
            self.extend_long,
            self.ambiguous,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapper:
    """An index in memory, shared by all threads.

    Attributes:
        aligner: `mappy.Aligner`.
        reference: what is mapped to, but for its ALT contigs.
        scoring: of its alignments.
    """

    aligner: "mappy.Aligner"
    reference: Reference
    scoring: Scoring

    def bases(self) -> list[np.ndarray]:
        """Every contig's bases, upper-case ASCII, as views of the reference's file."""
        return [self.reference.bases(contig.name, 0, contig.length) for contig in self.reference.contigs]

    def parameters(self) -> dict[str, object]:
        """What was used, for lineage."""
        import mappy

        return {"aligner": f"mappy {mappy.__version__}", "preset": _PRESET, "scoring": self.scoring.values()}

    def map(self, templates: Templates) -> dict[str, np.ndarray]:
        """Maps every template, mates together. Safe to call from several threads.

        Returns:
            The primary and chimeric hits in the order of the reads, n of them: `read` (int32, row of the batch),
            `contig` (int32, index in the reference), `start` (int32, 0-based), `lead` (int32, bases of the read
            before the cigar in the cigar's direction), `reverse` and `mapq` (uint8), `cigar_offsets` (int64,
            n + 1) and `cigar` (uint32, BAM's encoding). Secondary hits are left out.
        """
        import mappy

        offsets, data = string_buffers(templates.rows["seq"])
        names = [contig.name for contig in self.reference.contigs]
        buffer = mappy.ThreadBuffer()
        return map_templates(self.aligner.map, buffer, names, offsets, data, templates.first_rows)


def open_mapper(reference: Reference, threads: int, scratch: Path, scoring: Scoring | None = None) -> Mapper:
    """Loads a reference's index; makes it first where the lake has none yet, beside the FASTA.

    Args:
        reference: what to map to: all its contigs but ALTs, see `is_alternate`.
        threads: that make the index.
        scratch: a folder on the lake's file system in which it is made: a reader, or a crash, never sees half of it.
        scoring: of alignments; None: the defaults.

    Raises:
        LakeError: the index cannot be read.
        StorageError: the disk is full or fails.
    """
    import mappy

    scoring = scoring if scoring is not None else Scoring()
    path = index_path(reference)
    placed = [contig for contig in reference.contigs if not is_alternate(contig.name)]
    if not path.exists():
        partial = scratch / path.name
        try:
            fasta = reference.fasta
            if len(placed) < len(reference.contigs):
                fasta = scratch / reference.fasta.name
                _write_contigs(reference, placed, fasta)
            mappy.Aligner(str(fasta), preset=_PRESET, n_threads=threads, fn_idx_out=str(partial))
            with open(partial, "rb") as made:
                os.fsync(made.fileno())
            os.replace(partial, path)
            sync_folder(path.parent)
        except OSError as error:
            raise storage_error(error, path) from error
    aligner = mappy.Aligner(str(path), preset=_PRESET, scoring=scoring.values())
    if not aligner or aligner.n_seq != len(placed):
        what = "the index does not fit the reference"
        raise LakeError(what, str(path), "Remove it and run the same command again")
    return Mapper(aligner=aligner, reference=reference, scoring=scoring)


def index_path(reference: Reference) -> Path:
    """Where a reference's minimap2 index is kept; its name says whether contigs are left out."""
    some = any(is_alternate(contig.name) for contig in reference.contigs)
    return reference.fasta.with_suffix(f".{_PRESET}{'.no-alt' if some else ''}.mmi")


def is_alternate(contig: str) -> bool:
    """Whether a contig is an ALT: nothing is aligned to it.

    A read that fits a chromosome and its ALT alike would have mapping quality 0 on both, and the place would not be
    called. Decoys and unplaced sequence are no ALTs.
    """
    return _ALTERNATE.fullmatch(contig) is not None


def _write_contigs(reference: Reference, contigs: Sequence[Contig], fasta: Path) -> None:
    with open(fasta, "wb") as out:
        for contig in contigs:
            out.write(f">{contig.name}\n".encode())
            out.write(reference.bases(contig.name, 0, contig.length).data)
            out.write(b"\n")
