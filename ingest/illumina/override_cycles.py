"""OverrideCycles: what each cycle of a read is for, as sample sheets spell it.

`Y151;I8N2;U10;Y151` has one mask for each read of the run, in their order: Y bases of the template, I of the
index, U of a molecular identifier, N of no use. BCL Convert also takes them named, in any order:
`R1:Y151;R2:Y151;I1:I8N2;I2:U10`. The rules are BCL Convert's: every read has a mask, a mask covers every cycle, Y
stands in reads of the template only and I in index reads only.

A read that RunInfo.xml marks `IsReverseComplement="Y"` is spelled in the sheet as on the other strand, so that its
index and its mask are both reversed: `N2I8` for an index of 8 bases of which the instrument reads the last first.
What this module returns is in the order of the cycles.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from baselake.errors import InputError
from baselake.ingest.illumina.run_info import Read

_MASK = re.compile(r"(?:[YIUN][0-9]{1,5})+")
_PART = re.compile(r"(?P<use>[YIUN])(?P<cycles>[0-9]+)")
_NAMED = re.compile(r"(?P<kind>[RI])(?P<number>[0-9]):(?P<mask>.*)")

# Cycles of a read: the first, 0-based in the read, and how many; (0, 0): none.
Cycles = tuple[int, int]
NO_CYCLES: Cycles = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMask:
    """What the cycles of one read are for.

    Attributes:
        kept: the cycles of the template, or of the index for an index read.
        umi: the cycles of molecular identifiers, in the order of the cycles.
    """

    kept: Cycles
    umi: tuple[Cycles, ...] = ()


def whole_reads(reads: Sequence[Read]) -> tuple[ReadMask, ...]:
    """The masks where no sheet says otherwise: every cycle is kept."""
    return tuple(ReadMask(kept=(0, read.cycles)) for read in reads)


def parse_override_cycles(text: str, reads: Sequence[Read], where: str) -> tuple[ReadMask, ...]:
    """The mask of each read of the run.

    Args:
        text: as in the sheet; case and blanks do not matter.
        reads: the reads of the run, in order.
        where: the place in the sheet, for messages.

    Raises:
        InputError: it is not OverrideCycles, or does not fit the run.
    """
    parts = re.sub(r"\s", "", text).upper().strip('"').split(";")
    if any(":" in part for part in parts):
        parts = _in_order(parts, text, reads, where)
    if len(parts) != len(reads):
        raise InputError(
            f"OverrideCycles {text!r} has {len(parts)} masks, and the run {len(reads)} reads",
            where,
            f"Give one mask for each read: {default_text(reads)} keeps all cycles",
        )
    return tuple(_mask(part, read, where) for part, read in zip(parts, reads, strict=True))


def default_text(reads: Sequence[Read]) -> str:
    """The OverrideCycles that keeps every cycle of the run."""
    return ";".join(f"{'I' if read.indexed else 'Y'}{read.cycles}" for read in reads)


def _in_order(parts: Sequence[str], text: str, reads: Sequence[Read], where: str) -> list[str]:
    """Named masks in the order of the run's reads."""
    masks: dict[str, str] = {}
    for part in parts:
        match = _NAMED.fullmatch(part)
        if match is None or (name := match["kind"] + match["number"]) in masks:
            raise InputError(
                f"OverrideCycles {text!r} does not name every read once",
                where,
                "Write R1:..., R2:..., I1:..., I2:... or masks alone, in the order of the reads",
            )
        masks[name] = match["mask"]
    names = _names(reads)
    if sorted(masks) != sorted(names):
        raise InputError(
            f"OverrideCycles {text!r} names {', '.join(sorted(masks))}; the run has {', '.join(names)}",
            where,
            "Name every read of the run",
        )
    return [masks[name] for name in names]


def _names(reads: Sequence[Read]) -> list[str]:
    counts = {"R": 0, "I": 0}
    names = []
    for read in reads:
        kind = "I" if read.indexed else "R"
        counts[kind] += 1
        names.append(f"{kind}{counts[kind]}")
    return names


def _mask(text: str, read: Read, where: str) -> ReadMask:
    name = f"the {'index read' if read.indexed else 'read'} of {read.cycles} cycles (read {read.number})"
    if not _MASK.fullmatch(text):
        raise InputError(
            f"OverrideCycles has {text!r} for {name}",
            where,
            "Write letters Y, I, U or N, each with a number of cycles: Y151, I8N2",
        )
    parts = [(part["use"], int(part["cycles"])) for part in _PART.finditer(text)]
    total = sum(cycles for _, cycles in parts)
    if total != read.cycles:
        raise InputError(
            f"OverrideCycles {text} has {total} cycles for {name}",
            where,
            "Cover every cycle, with N where it is of no use",
        )
    wrong = "Y" if read.indexed else "I"
    if any(use == wrong for use, _ in parts):
        raise InputError(
            f"OverrideCycles {text} has {wrong} in {name}",
            where,
            "Write I or U in an index read" if read.indexed else "Write Y or U in a read of the template",
        )
    if read.indexed and read.reverse_complement:
        parts.reverse()
    kept: list[Cycles] = []
    umi: list[Cycles] = []
    start = 0
    for use, cycles in parts:
        if cycles and use in "YI":
            _append(kept, start, cycles)
        elif cycles and use == "U":
            _append(umi, start, cycles)
        start += cycles
    if len(kept) > 1:
        raise InputError(
            f"OverrideCycles {text} has {'I' if read.indexed else 'Y'} cycles with others between them in {name}",
            where,
            "Keep one stretch of cycles of a read",
        )
    return ReadMask(kept=kept[0] if kept else NO_CYCLES, umi=tuple(umi))


def _append(stretches: list[Cycles], start: int, length: int) -> None:
    """Add a stretch; one that goes on where the last ends becomes one with it (Y50Y51)."""
    if stretches and sum(stretches[-1]) == start:
        stretches[-1] = stretches[-1][0], stretches[-1][1] + length
    else:
        stretches.append((start, length))
