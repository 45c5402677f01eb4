"""What flags and template lengths tell of a sample's reads."""

import numpy as np
import pyarrow as pa

_PAIRED, _PROPER, _UNMAPPED, _LAST, _DUPLICATE = 0x1, 0x2, 0x4, 0x80, 0x400
_NOT_PRIMARY = 0x100 | 0x800
# Longer inserts are counted with the last.
LONGEST_INSERT = 5000


def flag_metrics(flags: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    """Reads by what their flags say; of each read its primary record counts.

    Args:
        flags: SAM FLAG, int; each may stand several times.
        counts: records that have it, int.

    Returns:
        `reads` (`primary` of samtools flagstat, TOTAL_READS of Picard's CollectAlignmentSummaryMetrics), `mapped`
        (`primary mapped`), `mapped_rate` of the reads (PCT_PF_READS_ALIGNED), `properly_paired` (flagstat: paired,
        mapped and 0x2), `properly_paired_rate` of the paired reads, `duplicates` (`primary duplicates`) and
        `duplicate_rate`: of the mapped reads, as PERCENT_DUPLICATION of Picard's MarkDuplicates. A rate of nothing is
        left out.
    """
    primary = (flags & _NOT_PRIMARY) == 0
    mapped = primary & ((flags & _UNMAPPED) == 0)
    paired = primary & ((flags & _PAIRED) != 0)
    proper = mapped & paired & ((flags & _PROPER) != 0)
    copies = primary & ((flags & _DUPLICATE) != 0)

    def number(chosen: np.ndarray) -> float:
        return float(counts[chosen].sum())

    found = {
        "reads": number(primary),
        "mapped": number(mapped),
        "properly_paired": number(proper),
        "duplicates": number(copies),
    }
    for rate, part, whole in (
        ("mapped_rate", mapped, primary),
        ("properly_paired_rate", proper, paired),
        ("duplicate_rate", copies & mapped, mapped),
    ):
        if number(whole):
            found[rate] = number(part) / number(whole)
    return found


def insert_histogram(flags: np.ndarray, tlen: np.ndarray) -> np.ndarray:
    """Properly paired templates by length.

    As in Picard's CollectInsertSizeMetrics a template is counted once, at the primary record of its last segment, if it
    is no duplicate and has a length; only proper pairs (0x2) are, which leaves out what no fragment is that long.

    Args:
        flags: SAM FLAG, int32.
        tlen: TLEN, bases, signed.

    Returns:
        int64, from 0 to `LONGEST_INSERT` bases, where longer ones are counted too.
    """
    wanted = _PAIRED | _PROPER | _LAST
    unwanted = _NOT_PRIMARY | _UNMAPPED | _DUPLICATE | 0x8
    lengths = np.abs(tlen[((flags & wanted) == wanted) & ((flags & unwanted) == 0) & (tlen != 0)])
    return np.bincount(np.minimum(lengths, LONGEST_INSERT), minlength=LONGEST_INSERT + 1)


def batch_inserts(alignments: pa.RecordBatch, first: int, end: int) -> np.ndarray:
    """`insert_histogram` of the alignments (start, flag, tlen) that begin in [first, end)."""
    starts = alignments["start"].to_numpy(zero_copy_only=False)
    here = (starts >= first) & (starts < end)
    flags = alignments["flag"].to_numpy(zero_copy_only=False)[here]
    tlen = alignments["tlen"].fill_null(0).to_numpy(zero_copy_only=False)[here].astype(np.int64)
    return insert_histogram(flags, tlen)


def insert_metrics(histogram: np.ndarray) -> dict[str, float]:
    """Of a histogram by length: `insert_median` and `insert_mad`, bases.

    MEDIAN_INSERT_SIZE and MEDIAN_ABSOLUTE_DEVIATION of Picard's CollectInsertSizeMetrics: the median, and the median of
    the distances from it. Nothing where no template was counted.
    """
    if not histogram.sum():
        return {}
    sizes = np.arange(len(histogram))
    middle = _median(sizes, histogram)
    away = np.abs(sizes - middle)
    order = np.argsort(away, kind="stable")
    return {"insert_median": middle, "insert_mad": _median(away[order], histogram[order])}


def _median(values: np.ndarray, counts: np.ndarray) -> float:
    """The median of values, in order, each of which stands `counts` times."""
    upto = np.cumsum(counts)
    total = int(upto[-1])
    low, high = np.searchsorted(upto, [(total + 1) // 2, total // 2 + 1])
    return float(values[low] + values[high]) / 2
