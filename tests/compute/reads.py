"""Reads for the caller's tests, drawn from haplotypes and aligned without error to the reference."""

import random
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from baselake.compute.pileup.reference import Alignment


def random_contig(length: int, seed: int = 1) -> str:
    """A contig of random bases."""
    return "".join(random.Random(seed).choices("ACGT", k=length))


def as_bases(contig: str) -> np.ndarray:
    """A contig as the caller takes it: ASCII, uint8."""
    return np.frombuffer(contig.encode(), np.uint8)


def as_table(reads: Iterable[Alignment]) -> pa.Table:
    """Rows of ALIGNMENTS with the columns a caller reads."""
    rows = list(reads)
    types = {"start": pa.int32(), "flag": pa.int32(), "mapq": pa.int16(), "duplicate": pa.bool_()}
    names = ("start", "flag", "mapq", "cigar", "seq", "qual", "name", "duplicate")
    return pa.table(
        {name: pa.array([getattr(r, name) for r in rows], types.get(name, pa.string())) for name in names}
    )


def reads_with(
    contig: str,
    changes: Sequence[tuple[int, int, str]],
    *,
    starts: Iterable[int],
    length: int = 100,
    quality: int = 35,
    label: str = "h",
    reverse_every: int = 2,
) -> list[Alignment]:
    """Error-free reads of one haplotype.

    Args:
        contig: the reference.
        changes: (position, bases replaced, new bases) of the haplotype, sorted; insertions replace none.
        starts: reference positions the reads begin at, none within a change.
        length: bases of a read.
        quality: phred of every base.
        label: first part of the names.
        reverse_every: every so many-th read is on the reverse strand.
    """
    out = []
    for number, start in enumerate(starts):
        seq, cigar, at = "", "", start
        for position, replaced, new in changes:
            if position < start or len(seq) + position - at >= length:
                continue
            aligned = position - at
            seq += contig[at:position] + new
            if replaced == len(new):
                cigar += f"{aligned + replaced}M"
            else:
                cigar += (
                    f"{aligned}M" + (f"{len(new)}I" if new else "") + (f"{replaced}D" if replaced else "")
                )
            at = position + replaced
        rest = length - len(seq)
        seq += contig[at : at + max(0, rest)]
        if len(seq) != length:
            continue
        out.append(
            Alignment(
                start=start,
                flag=16 if number % reverse_every == 0 else 0,
                mapq=60,
                cigar=_joined(cigar + f"{rest}M"),
                seq=seq,
                qual=chr(33 + quality) * length,
                name=f"{label}{number}",
                duplicate=False,
            )
        )
    return out


def _joined(cigar: str) -> str:
    """The CIGAR with neighbouring M operators added up."""
    ops: list[list[object]] = []
    number = ""
    for letter in cigar:
        if letter.isdigit():
            number += letter
            continue
        if ops and ops[-1][1] == letter:
            ops[-1][0] = int(str(ops[-1][0])) + int(number)
        elif int(number):
            ops.append([int(number), letter])
        number = ""
    return "".join(f"{n}{letter}" for n, letter in ops)
