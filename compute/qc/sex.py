"""Whether X and Y are what the sample's stated sex says."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from baselake.compute.ploidy import is_sex_chromosome, ploidy_segments
from baselake.compute.qc.depth import Windows

_AUTOSOME = re.compile(r"(chr)?[0-9]+")
# Copies that a ratio to the autosomes is rounded from: between one X and two; above what stray reads give on Y.
_TWO_X = 1.5
_A_Y = 0.4
# Heterozygous share of SNVs on X outside the pseudo-autosomal regions: next to none with one X, over half with two.
_HET_X = 0.2


def sex_metrics(
    windows: Mapping[str, Windows], known: Mapping[str, np.ndarray], lengths: Mapping[str, int]
) -> dict[str, float]:
    """Copies of X and Y by coverage: twice the median depth of windows outside the pseudo-autosomal regions, by that of
    the autosomes.

    Left out are windows with unknown reference bases (N), windows without any read, so that a slice of a genome is not
    taken for a loss, and those that hold a pseudo-autosomal base. It is the ratio that is usually taken of the counts
    of `samtools idxstats`; of windows the median is taken because stray reads on a Y that is not there fill few of
    them.

    Args:
        windows: by contig, those of the whole contig.
        known: by contig, which windows have only known bases, bool.
        lengths: of every contig of the assembly.

    Returns:
        `x_copies` and `y_copies`; nothing of a contig, and nothing at all without autosomes, that has no such window.
    """
    means: dict[str, list[np.ndarray]] = {"X": [], "Y": [], "autosomes": []}
    for contig, found in windows.items():
        if is_sex_chromosome(contig):
            inside = outside_par(contig, lengths, found.start, found.end)
            means[contig.removeprefix("chr")].append(
                found.mean[known[contig] & inside & (found.shares[0] > 0)]
            )
        elif _AUTOSOME.fullmatch(contig):
            means["autosomes"].append(found.mean[known[contig] & (found.shares[0] > 0)])
    depths = {
        name: float(np.median(np.concatenate(parts))) for name, parts in means.items() if sum(map(len, parts))
    }
    if not depths.get("autosomes"):
        return {}
    return {
        f"{name.lower()}_copies": 2 * depths[name] / depths["autosomes"]
        for name in ("X", "Y")
        if name in depths
    }


def outside_par(contig: str, lengths: Mapping[str, int], starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Which intervals [start, end) of X or Y lie wholly outside the pseudo-autosomal regions: bool."""
    outside = np.zeros(len(starts), bool)
    for segment in ploidy_segments(contig, lengths, "male"):
        if segment.ploidy == 1:
            outside |= (starts >= segment.start) & (ends <= segment.end)
    return outside


def observed_sex(metrics: Mapping[str, float]) -> str | None:
    """`male` or `female` as coverage has it; None where X and Y do not agree or nothing tells.

    Args:
        metrics: `x_copies`, `y_copies`, `x_het`, those that are known.
    """
    said: Sequence[str | None] = [
        None if "x_copies" not in metrics else "female" if metrics["x_copies"] >= _TWO_X else "male",
        None if "y_copies" not in metrics else "male" if metrics["y_copies"] >= _A_Y else "female",
        None if "x_het" not in metrics else "female" if metrics["x_het"] >= _HET_X else "male",
    ]
    told = {word for word in said if word is not None}
    return told.pop() if len(told) == 1 else None
