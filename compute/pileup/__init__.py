"""Genotypes from the alignments of one region: pure functions from arrays to arrays, in native code.

`twin.cpp` and its headers do the work, `reference.py` is the slow oracle of their parts, `staged.py` has a GPU's help,
and `docs/calling-model.md` explains the model. Coordinates are 0-based half-open. Functions release the GIL, keep no
state, and give the same answer whatever the order of the rows and however a contig is cut into regions, as long
as the alignments cover `PADDING` bases on both sides of the region.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from baselake.compute.arrow_columns import string_buffers, whole
from baselake.compute.device import Gpu
from baselake.compute.pileup import _twin
from baselake.compute.pileup.resident import DeviceAlignments
from baselake.compute.pileup.staged import resident_call, staged_call
from baselake.lake.variants import FILTERS

PADDING: int = _twin.PADDING
"""Bases on either side of a region whose alignments still shape what is called inside it."""

LONGEST_READ: int = _twin.LONGEST_READ
"""Longer reads have errors of another kind, for which the model's costs are not made."""

MAX_PLOIDY: int = _twin.MAX_PLOIDY
"""Copies of a contig that can be genotyped."""

HOMOPLASMIC = 0.95
"""An allele of this fraction of many copies is taken to be on all of them: what the gnomAD consortium calls homoplasmic
(Laricchia and others 2022, doi:10.1101/gr.276013.121)."""

GQ_BANDS: tuple[int, ...] = _twin.GQ_BANDS
"""Bases whose GQ lies between the same two of these make one reference block."""

ALIGNMENT_COLUMNS = ("start", "flag", "mapq", "cigar", "seq", "qual", "name", "duplicate")
"""The columns of ALIGNMENTS that the caller reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallParameters:
    """What the caller may be told; defaults and their sources stand in `docs/calling-model.md`.

    Attributes:
        min_mapq: reads mapped with less confidence (phred) take no part.
        min_base_quality: bases under this phred quality raise no candidate.
        max_depth: depth that deterministic downsampling leaves: reads that start in a window of 32 positions keep
            at most 32 x max_depth bases, so no position has more than max_depth x (1 + 32 / read length).
        heterozygosity: prior rate of heterozygous substitutions per base.
        indel_heterozygosity: prior rate of heterozygous insertions and deletions per base.
        min_qual: sites under this phred QUAL carry the filter `low_qual`.
        max_mixed_depth: as `max_depth`, where alleles have fractions.
        min_fraction: the least fraction of the copies that an allele is called with there.
    """

    min_mapq: int = 20
    min_base_quality: int = 10
    max_depth: int = 1000
    heterozygosity: float = 1e-3
    indel_heterozygosity: float = 1 / 8000
    min_qual: float = 10.0
    max_mixed_depth: int = 10_000
    min_fraction: float = 0.01


DEFAULT_PARAMETERS = CallParameters()

_UNMAPPED = 0x4  # SAM FLAG
_MIXED = 0  # the ploidy that stands for many copies, natively


# pyarrow.compute takes a tenth of a second to import, as long as calling 100 kb at 50x: NumPy does here.


def _fixed(column: pa.ChunkedArray, null: int) -> npt.NDArray:
    values = whole(column)
    if values.null_count:
        values = values.fill_null(null)
    return np.ascontiguousarray(values.to_numpy(zero_copy_only=False))


def _text(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    values = whole(column)
    return string_buffers(values if values.type == pa.string() else values.cast(pa.string()))


def _columns(alignments: pa.Table) -> dict[str, object]:
    texts = [name for name in ("cigar", "seq", "qual", "name") if name in alignments.column_names]
    return {
        "start": _fixed(alignments["start"], -1),
        "flag": _fixed(alignments["flag"], _UNMAPPED),
        "mapq": _fixed(alignments["mapq"], 0),
        "duplicate": _fixed(alignments["duplicate"], False).view(np.uint8),
        **{name: _text(alignments[name]) for name in texts},
    }


def _strings(ragged: tuple[npt.NDArray, npt.NDArray]) -> pa.Array:
    offsets, data = ragged
    return pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))


def _lists(ragged: tuple[npt.NDArray, npt.NDArray], empty_is_null: bool = False) -> pa.Array:
    offsets, values = ragged
    # Built from buffers: ListArray.from_arrays with a mask would import pyarrow.compute, a twentieth of a second.
    valid = np.packbits(offsets[1:] != offsets[:-1], bitorder="little") if empty_is_null else None
    buffers = [None if valid is None else pa.py_buffer(valid), pa.py_buffer(offsets)]
    return pa.Array.from_buffers(
        pa.list_(pa.from_numpy_dtype(values.dtype)), len(offsets) - 1, buffers, children=[pa.array(values)]
    )


def _filter_names(bits: npt.NDArray[np.uint32]) -> pa.Array:
    failed = (bits[:, None] >> np.arange(len(FILTERS), dtype=np.uint32)) & 1
    rows, which = np.nonzero(failed)
    offsets = np.searchsorted(rows, np.arange(len(bits) + 1)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.array(list(FILTERS))[which], pa.string()))


def _gt(calls: Mapping[str, npt.NDArray], ploidy: int) -> tuple[pa.Array, npt.NDArray[np.int8]]:
    """GT numbered for each row's own alternate (0 reference, 1 it, 2 another), and its copies."""
    copies = calls["gt"][1].reshape(-1, ploidy)
    as_row = np.where(copies <= 0, 0, np.where(copies == calls["allele_index"][:, None], 1, 2)).astype(
        np.int8
    )
    phased = calls["ps"] > 0
    as_row = np.where(phased[:, None], as_row, np.sort(as_row, axis=1))
    codes = (as_row * 3 ** np.arange(as_row.shape[1])).sum(axis=1) * 2 + phased
    _, first, which = np.unique(codes, return_index=True, return_inverse=True)
    texts = np.array([("|" if phased[i] else "/").join(map(str, as_row[i])) for i in first], object)
    return pa.array(texts[which], pa.string()), (as_row == 1).sum(axis=1).astype(np.int8)


def _check_region(contig: npt.NDArray[np.uint8], start: int, end: int) -> None:
    if not 0 <= start <= end <= len(contig):
        raise ValueError(f"region [{start}, {end}) is not within a contig of {len(contig)} bases")


GAPS = (None, "no_usable_reads", "unknown_reference")
"""Why nothing can be said of a base, as `RegionCalls.blocks` numbers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionCalls:
    """What calling one region gives.

    Attributes:
        calls: one row per called alternate allele, sorted by start, ref and alt: `start`, `ref`, `alt`, the columns
            of GENOTYPES from `gt` to `base_q_rank_sum`, and `simple`: True where nothing else varies near the site,
            so that plain base likelihoods settle it.
        blocks: one row per stretch of the region that no call covers, in order: `start`, `end` (int32), `gap` (uint8,
            into GAPS), `gq`, `min_dp` (int32, the least of its bases) and `dp_sum` (int64, the sum over them). Calls
            and blocks together cover every base, blocks and the bases of calls' REF never the same.
        simple: active regions of one position that base likelihoods settled.
        realigned: those whose reads were compared with haplotypes of the pileup's candidates.
        assembled: those whose reads were also assembled.
    """

    calls: pa.Table
    blocks: pa.Table
    simple: int
    realigned: int
    assembled: int


def genotype_region(
    alignments: pa.Table | DeviceAlignments,
    contig: npt.NDArray[np.uint8],
    start: int,
    end: int,
    *,
    ploidy: int = 2,
    parameters: CallParameters = DEFAULT_PARAMETERS,
    gpu: Gpu | None = None,
) -> RegionCalls:
    """Variants of one sample whose VCF start lies in [start, end) of a contig, and the blocks between them.

    Args:
        alignments: rows of that contig with `ALIGNMENT_COLUMNS`, in any order; all that touch the region and
            `PADDING` bases on either side of it. Where they lie on a GPU, that also walks along them.
        contig: ASCII bases of the whole contig, any case, IUPAC codes counting as N. It is not copied.
        start: first base of the region, 0-based.
        end: the base after its last.
        ploidy: copies of the contig, from 1 to `MAX_PLOIDY`; sites are phased where it is 2.
        parameters: thresholds and priors.
        gpu: where reads are compared with haplotypes, and these with the reference; None: on the CPU, but for
            alignments on a GPU, which are that one's. The calls are the same.

    Raises:
        ValueError: ploidy is not from 1 to `MAX_PLOIDY`, or the region is not within the contig.
        DeviceLostError: the GPU fails.
    """
    if not 1 <= ploidy <= MAX_PLOIDY:
        raise ValueError(f"ploidy {ploidy} is not from 1 to {MAX_PLOIDY}")
    _check_region(contig, start, end)
    calls = _called(alignments, contig, start, end, ploidy, parameters, gpu)
    return _region_calls(calls, *_gt(calls, ploidy))


def _called(
    alignments: pa.Table | DeviceAlignments,
    contig: npt.NDArray[np.uint8],
    start: int,
    end: int,
    ploidy: int,
    parameters: CallParameters,
    gpu: Gpu | None,
) -> dict:
    where = (contig, start, end, ploidy, asdict(parameters))
    if isinstance(alignments, DeviceAlignments):
        calls = resident_call(alignments, _columns(alignments.rows), *where)
        if calls is not None:
            return calls
        alignments, gpu = alignments.decoded(), alignments.gpu
    given = (_columns(alignments), *where)
    return _twin.call(*given) if gpu is None else staged_call(gpu, *given)


def mixture_of_region(
    alignments: pa.Table | DeviceAlignments,
    contig: npt.NDArray[np.uint8],
    start: int,
    end: int,
    *,
    parameters: CallParameters = DEFAULT_PARAMETERS,
    gpu: Gpu | None = None,
) -> RegionCalls:
    """Alleles of a genome with many copies, as a mitochondrion's, and what fraction of the copies has each.

    Arguments and errors are those of `genotype_region`. Every alternate stands by itself, beside all else: `gt` is `1`
    where its fraction is `HOMOPLASMIC`, else `0/1`, `af` is the fraction, and there is no `pl`. Blocks are as of one
    copy. The contig is taken for a circle: a supplementary alignment takes part where it touches an end of it.
    """
    _check_region(contig, start, end)
    calls = _called(alignments, contig, start, end, _MIXED, parameters, gpu)
    gt = np.where(calls["fraction"] >= HOMOPLASMIC, "1", "0/1")
    return _region_calls(calls, pa.array(gt, pa.string()), np.ones(len(gt), np.int8))


def _region_calls(calls: Mapping[str, Any], gt: pa.Array, alt_copies: npt.NDArray[np.int8]) -> RegionCalls:
    simple, realigned, assembled = calls["regions"]
    table = pa.table(
        {
            "start": calls["start"],
            "ref": _strings(calls["ref"]),
            "alt": _strings(calls["alt"]),
            "gt": gt,
            "alt_copies": alt_copies,
            **{name: calls[name] for name in ("gq", "dp", "ad_ref", "ad_alt")},
            "af": pa.array(calls["fraction"], from_pandas=True),
            "pl": _lists(calls["pl"], empty_is_null=True),
            "allele_index": calls["allele_index"],
            "site_pl": _lists(calls["site_pl"], empty_is_null=True),
            "ps": pa.array(calls["ps"], mask=calls["ps"] == 0),
            "filters": _filter_names(calls["filters"]),
            **{name: calls[name] for name in ("qual", "mq")},
            "sb": _lists(calls["sb"]),
            "fs": calls["fs"],
            **{
                name: pa.array(calls[name], from_pandas=True)
                for name in ("read_pos_rank_sum", "base_q_rank_sum")
            },
            "simple": calls["simple"].astype(bool),
        }
    )
    return RegionCalls(
        calls=table, blocks=pa.table(calls["blocks"]), simple=simple, realigned=realigned, assembled=assembled
    )


def call_region(
    alignments: pa.Table,
    contig: npt.NDArray[np.uint8],
    start: int,
    end: int,
    *,
    ploidy: int = 2,
    parameters: CallParameters = DEFAULT_PARAMETERS,
) -> pa.Table:
    """The calls alone; arguments and errors as of `genotype_region`."""
    return genotype_region(alignments, contig, start, end, ploidy=ploidy, parameters=parameters).calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Triage:
    """Where a region may vary, for a haplotype caller that follows.

    Attributes:
        depth: int32 by position: fragments that cover it, after downsampling; overlapping mates count once.
        activity: float32 by position: probability that something differs from the reference there: mismatches,
            insertions, deletions and soft clips against the rest of the depth.
    """

    depth: npt.NDArray[np.int32]
    activity: npt.NDArray[np.float32]


def activity(
    alignments: pa.Table,
    contig: npt.NDArray[np.uint8],
    start: int,
    end: int,
    *,
    parameters: CallParameters = DEFAULT_PARAMETERS,
) -> Triage:
    """Depth and probability of variation of every position of [start, end); arguments as of `call_region`."""
    _check_region(contig, start, end)
    found = _twin.triage(_columns(alignments), contig, start, end, asdict(parameters))
    return Triage(depth=found["depth"], activity=found["activity"])


def active_regions(
    alignments: pa.Table,
    contig: npt.NDArray[np.uint8],
    start: int,
    end: int,
    *,
    parameters: CallParameters = DEFAULT_PARAMETERS,
) -> pa.Table:
    """Where simple sites end and complex regions begin; arguments as of `call_region`.

    Returns:
        One row per active region that starts in [start, end), in order: `start` and `end` (int32), `candidates`
        (int32, alleles that enough fragments carry) and `simple` (bool: substitutions at one position with
        nothing else near, which plain base likelihoods settle; all others are realigned to haplotypes).
    """
    _check_region(contig, start, end)
    found = _twin.triage(_columns(alignments), contig, start, end, asdict(parameters))
    return pa.table(
        {
            **{name: found[name] for name in ("start", "end", "candidates")},
            "simple": found["simple"].astype(bool),
        }
    )
