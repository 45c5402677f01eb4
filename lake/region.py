"""A stretch of a contig, and the text people type for it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from baselake.errors import InputError, NotFoundError


@dataclass(frozen=True, slots=True, order=True)
class Region:
    """A stretch of a contig: 0-based, `start` the first base, `end` the base after the last."""

    contig: str
    start: int
    end: int

    def __str__(self) -> str:
        """As samtools writes it: 1-based, both ends included."""
        return f"{self.contig}:{self.start + 1}-{self.end}"


def parse_region(text: str, lengths: Mapping[str, int]) -> Region:
    """The region a person typed, 1-based with both ends included: `20`, `20:10,000-20,000`, `20:10,000`.

    A text that is a contig's whole name is that contig, even where it holds a colon (HLA contigs do), as
    samtools reads it. `20:10,000` runs to the contig's end; an end beyond the contig is cut to it.

    Args:
        text: the region.
        lengths: length of every contig of the reference.

    Raises:
        NotFoundError: the reference has no such contig.
        InputError: start or end is no position of the contig.
    """
    if text in lengths:
        return Region(text, 0, lengths[text])
    match = re.fullmatch(r"(.+):([\d,]+)(?:-([\d,]*))?", text)
    contig = match[1] if match else text
    if contig not in lengths:
        some = ", ".join(list(lengths)[:5])
        raise NotFoundError(f"no contig {contig!r}", f"region {text}", f"The reference has {some}, ...")
    assert match is not None  # a text without colon and digits was looked up whole above
    length = lengths[contig]
    start = int(match[2].replace(",", "") or 0)
    end = int(match[3].replace(",", "")) if match[3] else length
    if not 1 <= start <= length or end < start:
        raise InputError(
            f"no such stretch of {contig} ({length:,} bases)",
            f"region {text}",
            "Write CONTIG:START-END, counted from 1, both ends included",
        )
    return Region(contig, start - 1, min(end, length))
