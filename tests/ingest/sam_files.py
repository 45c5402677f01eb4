"""SAM text for tests, and what samtools inside pysam makes of it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pysam

CONTIGS = {"chr1": 1000, "chr2": 2000}
HEADER = "@HD\tVN:1.6\n" + "".join(f"@SQ\tSN:{name}\tLN:{length}\n" for name, length in CONTIGS.items())


def sam_line(
    name: str = "r1",
    flag: int = 0,
    contig: str = "chr1",
    pos: int = 100,
    mapq: int = 60,
    cigar: str = "10M",
    mate: tuple[str, int] = ("*", 0),
    tlen: int = 0,
    seq: str = "ACGTACGTAC",
    qual: str = "ABCDEFGHIJ",
    tags: Sequence[str] = (),
) -> str:
    """One alignment line; positions are SAM's, from 1."""
    fields = (name, flag, contig, pos, mapq, cigar, *mate, tlen, seq, qual, *tags)
    return "\t".join(str(field) for field in fields)


def write_bam(path: Path, lines: Iterable[str], header: str = HEADER) -> Path:
    """A BAM file of these lines."""
    text = path.with_suffix(".made.sam")
    text.write_text(header + "".join(f"{line}\n" for line in lines))
    pysam.samtools.view("-b", "--no-PG", "-o", str(path), str(text), catch_stdout=False)
    return path


def sam_lines(path: Path, *options: str) -> list[str]:
    """The alignment lines of a SAM, BAM or CRAM file."""
    return pysam.samtools.view("--no-PG", *options, str(path)).splitlines()  # type: ignore[no-any-return]


def header_lines(path: Path) -> list[str]:
    """The header lines of a SAM, BAM or CRAM file."""
    return pysam.samtools.view("-H", "--no-PG", str(path)).splitlines()  # type: ignore[no-any-return]
