"""What is doubtful about a mitochondrion's calls whatever the reads there say.

Stretches of the mitochondrion lie in the nucleus too (NUMTs). Their reads, where the assembly lacks them, align to
the mitochondrion and look like alleles on a few of its copies.
"""

from math import exp

import numpy as np
import pyarrow as pa

from baselake.lake.variants import FILTERS

_NUMT_SHARE = (
    2.0  # nuclear copies for each of the two of a chromosome: four in all, as GATK's NuMTFilter takes
)
_NUMT_QUANTILE = 0.99  # of a Poisson distribution, as there

_REVISED_CAMBRIDGE = 16_569  # bases of NC_012920.1, which GRCh37's MT and GRCh38's and hs1's chrM are
# 0-based places about its runs of C and its placeholder at 3,107, where gnomAD takes no call (Laricchia and others
# 2022, doi:10.1101/gr.276013.121).
_ARTIFACT_PRONE = (300, 301, 309, 315, 3_106, 16_181)


def numt_fragments(autosomal_depth: float) -> int:
    """The most fragments of a base that nuclear copies would give: the 99th percentile.

    Args:
        autosomal_depth: mean or median depth of the autosomes; 0 where it is not known, which gives 0.
    """
    mean = _NUMT_SHARE * autosomal_depth
    if mean <= 0:
        return 0
    if mean > 500:  # exp(-mean) leaves double precision; the normal distribution is as good there
        return round(mean + 2.326 * mean**0.5)
    count, chance = 0, exp(-mean)
    below = chance
    while below < _NUMT_QUANTILE:
        count += 1
        chance *= mean / count
        below += chance
    return count


def with_doubts(calls: pa.Table, length: int, autosomal_depth: float) -> pa.Table:
    """Calls of a mitochondrion with the filters `possible_numt` and `artifact_prone_site` beside those they have.

    Args:
        calls: `start`, `ad_alt`, `filters` and any other columns.
        length: bases of the mitochondrion; places are known for the revised Cambridge reference alone.
        autosomal_depth: as of `numt_fragments`.
    """
    doubts = {
        "possible_numt": calls["ad_alt"].to_numpy() <= numt_fragments(autosomal_depth),
        "artifact_prone_site": np.isin(calls["start"].to_numpy(), _ARTIFACT_PRONE)
        & (length == _REVISED_CAMBRIDGE),
    }
    assert doubts.keys() <= FILTERS.keys()
    filters = [
        [*names, *(name for name, failed in doubts.items() if failed[row])]
        for row, names in enumerate(calls["filters"].to_pylist())
    ]
    place = calls.column_names.index("filters")
    return calls.set_column(place, "filters", pa.array(filters, pa.list_(pa.string())))
