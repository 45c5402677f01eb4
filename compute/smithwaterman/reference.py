"""The slow, obvious oracle of the banded alignment: every cell of Gotoh's three matrices, kept and traced back."""

import math
import re

from baselake.compute.smithwaterman import HAPLOTYPE_SCORES, Scores


def align(query: str, target: str, slack: int, scores: Scores = HAPLOTYPE_SCORES) -> tuple[float, str]:
    """Score and CIGAR of the best alignment from end to end within the band.

    Of equal ones that which, read from the right, aligns bases longest, then deletes, then inserts, and ends gaps
    soonest.
    """
    n, m = len(query), len(target)
    low, high = min(0, m - n) - slack, max(0, m - n) + slack
    inside = {(i, j) for i in range(n + 1) for j in range(m + 1) if low <= j - i <= high}
    best = {(i, j): -math.inf for i in range(-1, n + 1) for j in range(-1, m + 1)}
    deletion, insertion = dict(best), dict(best)
    for i in range(n + 1):
        for j in range(m + 1):
            diagonal = 0.0 if i == j == 0 else -math.inf
            if i and j:
                diagonal = best[i - 1, j - 1] + (
                    scores.match if query[i - 1] == target[j - 1] else scores.mismatch
                )
            deletion[i, j] = max(best[i, j - 1] + scores.open, deletion[i, j - 1] + scores.extend)
            insertion[i, j] = max(best[i - 1, j] + scores.open, insertion[i - 1, j] + scores.extend)
            if (i, j) in inside:
                best[i, j] = max(diagonal, deletion[i, j], insertion[i, j])
    kinds, i, j, gap = "", n, m, ""
    while i or j:
        here = best[i, j]
        if not gap:
            aligned = (
                i
                and j
                and best[i - 1, j - 1] + (scores.match if query[i - 1] == target[j - 1] else scores.mismatch)
            )
            if not (i and j and aligned == here):
                gap = "D" if deletion[i, j] == here else "I"
        kinds = (gap or "M") + kinds
        before = {"D": (i, j - 1), "I": (i - 1, j), "": (i - 1, j - 1)}[gap]
        if gap:
            longer = {"D": deletion, "I": insertion}[gap][before] + scores.extend
            if longer <= best[before] + scores.open:
                gap = ""
        i, j = before
    return best[n, m], "".join(f"{len(run[0])}{run[1]}" for run in re.findall(r"((.)\2*)", kinds))


def score_of(query: str, target: str, cigar: str, scores: Scores = HAPLOTYPE_SCORES) -> int:
    """What an alignment is worth.

    Raises:
        ValueError: it does not use up both sequences.
    """
    total, i, j = 0, 0, 0
    for length, kind in ((int(number), kind) for number, kind in re.findall(r"(\d+)([MID])", cigar)):
        if kind == "M":
            pairs = zip(query[i : i + length], target[j : j + length], strict=True)
            total += sum(scores.match if a == b else scores.mismatch for a, b in pairs)
        else:
            total += scores.open + (length - 1) * scores.extend
        i += length if kind != "D" else 0
        j += length if kind != "I" else 0
    if (i, j) != (len(query), len(target)):
        raise ValueError(f"{cigar} does not align {len(query)} to {len(target)} bases")
    return total
