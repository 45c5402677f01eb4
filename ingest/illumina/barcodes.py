"""Whose an observed index is, and whether the sheet spells its indexes in the order they were read."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from baselake.errors import InputError
from baselake.ingest.illumina import _barcodes
from baselake.ingest.illumina.lane_plan import LanePlan, refuse_long_indexes, reverse_complement

# Fewer clusters than this say nothing. Of 100 random ones, a quarter have an index of 96 by chance in less than one of
# 10^13 lanes.
MIN_CLUSTERS = 100
# Sequences to look at, the most frequent of the lane: real indexes are few, errors of reading are endless.
_MAX_SEQUENCES = 20_000
# A flipped index is told from a poor run by two signs together. The sheet as it is must find at most a quarter of
# what the flipped one finds: indexes that are their own reverse complements are found both ways, and so are
# combinations of which some are. And the flipped one must find a quarter of the lane, far above chance (96 indexes
# of 8 bases with a mismatch cover 4 % of all), yet low enough for a lane half full of PhiX or another sheet's
# samples.
_FEW = 0.25
_MANY = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """Clusters that some sample would get, with the sheet's indexes as they are and reverse-complemented.

    Attributes:
        clusters: of the lane, those of no sample too.
        given: with the indexes as they are.
        index1_reversed: with every index 1 reverse-complemented.
        index2_reversed: with every index 2 reverse-complemented.
        both_reversed: with both.
    """

    clusters: int
    given: int
    index1_reversed: int
    index2_reversed: int
    both_reversed: int


def match(
    plan: LanePlan, index1: npt.NDArray[np.uint8], index2: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Whose each observed index is.

    A base that was not called is a mismatch. Where several entries would do, which `plan_lanes` does not let
    happen, the one with the fewest mismatches has it, then the first.

    Args:
        plan: the lane's.
        index1: uint8 [K, plan.index1[1]], ASCII, as read.
        index2: uint8 [K, plan.index2[1]], likewise.

    Returns:
        int32 [K]: which of `plan.entries`, -1: none; int8 [K]: mismatches in index 1, -1 where none; int8 [K]:
        likewise in index 2.

    Raises:
        InputError: an index has more cycles than 64.
    """
    refuse_long_indexes(plan)
    return _barcodes.match(
        _letters([entry.index1 for entry in plan.entries], plan.index1[1]),
        _letters([entry.index2 for entry in plan.entries], plan.index2[1]),
        np.array([entry.mismatches1 for entry in plan.entries], np.int32),
        np.array([entry.mismatches2 for entry in plan.entries], np.int32),
        index1,
        index2,
    )


def orientation(
    plan: LanePlan,
    index1: npt.NDArray[np.uint8],
    index2: npt.NDArray[np.uint8],
    counts: npt.NDArray[np.int64],
) -> Orientation:
    """How many clusters the samples would get if the sheet had its indexes the other way round.

    Args:
        plan: the lane's.
        index1: uint8 [K, plan.index1[1]], the indexes seen, ASCII.
        index2: uint8 [K, plan.index2[1]], likewise.
        counts: int64 [K], clusters that have each.
    """

    def assigned(flip1: bool, flip2: bool) -> int:
        entries = tuple(
            replace(
                entry,
                index1=_flipped(entry.index1) if flip1 else entry.index1,
                index2=_flipped(entry.index2) if flip2 else entry.index2,
            )
            for entry in plan.entries
        )
        entry, _, _ = match(replace(plan, entries=entries), index1, index2)
        return int(counts[entry >= 0].sum())

    return Orientation(
        clusters=int(counts.sum()),
        given=assigned(False, False),
        index1_reversed=assigned(True, False),
        index2_reversed=assigned(False, True),
        both_reversed=assigned(True, True),
    )


def check_orientation(
    plan: LanePlan,
    index1: npt.NDArray[np.uint8],
    index2: npt.NDArray[np.uint8],
    counts: npt.NDArray[np.int64],
    sheet: str = "sample sheet",
) -> None:
    """Refuse a sheet whose indexes are plainly the wrong way round. Arguments as for `orientation`.

    Args:
        sheet: where the sheet is, for messages.

    Raises:
        InputError: few clusters have an index of the sheet, and many would if it was reverse-complemented.
    """
    if not any(entry.sheet_index1 or entry.sheet_index2 for entry in plan.entries):
        return
    if len(counts) > _MAX_SEQUENCES:
        top = np.argpartition(counts, -_MAX_SEQUENCES)[-_MAX_SEQUENCES:]
        index1, index2, counts = index1[top], index2[top], counts[top]
    seen = orientation(plan, index1, index2, counts)
    flipped = {
        "index": seen.index1_reversed,
        "index2": seen.index2_reversed,
        "index and index2": seen.both_reversed,
    }
    most = max(flipped.values())
    # Where one index alone explains nearly all, the other is not accused.
    columns = next(columns for columns, clusters in flipped.items() if clusters >= 0.9 * most)
    if seen.clusters < MIN_CLUSTERS or seen.given > _FEW * most or most < _MANY * seen.clusters:
        return
    hint = ""
    if columns == "index2" and plan.index2_reversed is not None:
        hint = " (this instrument reads i5 " + (
            "as its reverse complement)" if plan.index2_reversed else "forward)"
        )
    raise InputError(
        f"lane {plan.lane}: {_percent(seen.given, seen.clusters)} of {seen.clusters} clusters have an index of the"
        f" sheet, and {_percent(most, seen.clusters)} would if {columns} was reverse-complemented{hint}",
        sheet,
        f"Write the reverse complement into the column{'s' if 'and' in columns else ''} {columns} of every sample",
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def _flipped(index: str) -> str:
    """The reverse complement in the cycles an index uses."""
    bases = index.strip(".")
    start = len(index) - len(index.lstrip(".")) if bases else 0
    return index[:start] + reverse_complement(bases) + index[start + len(bases) :]


def _letters(indexes: list[str], cycles: int) -> npt.NDArray[np.uint8]:
    return np.frombuffer("".join(indexes).encode("ascii"), np.uint8).reshape(len(indexes), cycles)
