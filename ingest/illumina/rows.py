"""The clusters of a tile as rows of `read_records`, their large columns coded straight from the calls."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pyarrow as pa

from baselake.ingest.illumina.lane_plan import LanePlan, ReadLayout
from baselake.ingest.illumina.run_info import RunInfo
from baselake.ingest.illumina.tile import Tile
from baselake.lake.arrays import fixed_strings, string_array
from baselake.lake.columns import codecs
from baselake.lake.columns.blocks import BLOCK_BASES, BLOCK_ROWS, with_blocks
from baselake.lake.qualities import bin_table
from baselake.lake.schema import CODED, READ_RECORDS


def coded_rows(
    tile: Tile, run_id: str, info: RunInfo, plan: LanePlan, entry: np.ndarray, quality_bins: int
) -> Iterator[pa.Table]:
    """Rows for `TableWriter.write_coded`, a row group at a time: by sample, then as on the flow cell.

    Args:
        tile: the tile.
        run_id: the run's name in the lake.
        info: its RunInfo.xml.
        plan: what the sheet says of the lane.
        entry: [clusters], which of the plan's entries each is; -1: none.
        quality_bins: what the qualities are put into (`lake/qualities.py`); 0: they stay as they are.
    """
    none_last = np.where(entry < 0, len(plan.entries), entry).astype(np.uint16)
    order = np.argsort(none_last, kind="stable")
    umi = _Umi(tile, info, plan, entry)
    adapters = _Adapters(tile, info, plan, entry)
    segments = len(info.template_reads)
    step = READ_RECORDS.row_group_rows // segments
    plain = [name for name in READ_RECORDS.schema.names if name not in CODED]
    same = _same_columns(tile, run_id, plan, min(step, len(order)), segments)
    for start in range(0, len(order), step):
        part = order[start : start + step]
        rows = len(part) * segments
        columns = {name: column.slice(0, rows) for name, column in same.items()}
        columns |= {
            "umi": umi.column(part, segments),
            "filtered": pa.array(np.repeat(tile.filtered[part], segments)),
            "adapter_start": adapters.column(part),
        }
        columns |= _index_columns(tile, info, part, segments)
        table = pa.table([columns[name] for name in plain], names=plain)
        prefix = f"{info.instrument}:{info.number}:{info.flowcell}:{plan.lane}:{tile.number}"
        yield _with_coded(table, tile, info, part, prefix, quality_bins)


def _same_columns(
    tile: Tile, run_id: str, plan: LanePlan, clusters: int, segments: int
) -> dict[str, pa.Array]:
    """Columns that are the same in every row group, as long as the longest."""
    rows = clusters * segments
    return {
        "run_id": pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([run_id])),
        "lane": pa.repeat(pa.scalar(plan.lane, pa.int16()), rows),
        "segment": pa.array(np.tile(np.arange(1, segments + 1, dtype=np.int8), clusters)),
        "tile": pa.repeat(pa.scalar(tile.number, pa.int32()), rows),
        **{
            name: pa.nulls(rows, READ_RECORDS.schema.field(name).type)
            for name in ("read_group_id", "comment", "index1_seq", "index1_qual", "index2_seq", "index2_qual")
        },
    }


def _index_columns(tile: Tile, info: RunInfo, part: np.ndarray, segments: int) -> dict[str, pa.Array]:
    columns = {}
    for number, read in enumerate(info.index_reads[:2], 1):
        cycles = (info.first_cycle(read) - 1, read.cycles)
        bases, sequences, quals, qualities = tile.calls.dictionaries(part, cycles, segments)
        columns[f"index{number}_seq"] = _dictionary(bases, sequences)
        columns[f"index{number}_qual"] = _dictionary(quals, qualities)
    return columns


def _dictionary(codes: np.ndarray, texts: np.ndarray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(codes, fixed_strings(texts), safe=False)


def _with_coded(
    rows: pa.Table, tile: Tile, info: RunInfo, part: np.ndarray, prefix: str, quality_bins: int
) -> pa.Table:
    ranges = [(info.first_cycle(read) - 1, read.cycles) for read in info.template_reads]
    segments, cycles = len(ranges), sum(length for _, length in ranges)
    step = max(1, min(BLOCK_ROWS // segments, BLOCK_BASES // max(cycles, 1)))
    clusters = [part[first : first + step] for first in range(0, len(part), step)]
    blocks: dict[str, list[bytes]] = {CODED[name]: [] for name in ("name", "seq", "qual", "tags")}
    # Of all samples of the rows: they stand one after the other.
    sample, _ = tile.calls.emit(part[:: max(1, len(part) * cycles // codecs.SAMPLE_BASES)], ranges)
    repeats = codecs.repeats(sample.tobytes())
    coded = tile.calls.code(part, ranges, step, bin_table(quality_bins))
    for some, (bases, qualities) in zip(clusters, coded, strict=True):
        count = len(some) * segments
        lengths = _lengths(tuple(length for _, length in ranges), len(some))
        blocks["name_block"].append(_names(tile, some, prefix, segments))
        blocks["seq_block"].append(
            codecs.encode_bases(_bases(tile, some, ranges))
            if repeats
            else codecs.coded_bases(count, lengths, bases)
        )
        blocks["qual_block"].append(codecs.coded_texts(count, lengths, qualities))
        blocks["tags_block"].append(_no_tags(count))
    bounds = np.cumsum([0, *(len(some) * segments for some in clusters)])
    return with_blocks(rows, bounds, blocks)


@lru_cache(maxsize=8)
def _lengths(lengths: tuple[int, ...], clusters: int) -> bytes:
    return codecs.pack_lengths(np.tile(np.array(lengths, np.int64), clusters))


@lru_cache(maxsize=8)
def _no_tags(rows: int) -> bytes:
    nothing = pa.nulls(rows, pa.binary())
    return codecs.encode_tags(nothing, pa.nulls(rows, pa.string()), None, codecs.NO_CONTIG)


def _names(tile: Tile, part: np.ndarray, prefix: str, segments: int) -> bytes:
    """INSTRUMENT:RUN:FLOWCELL:LANE:TILE:X:Y, as Illumina's converters write them."""
    x, y = tile.x[part], tile.y[part]
    if prefix.isascii() and prefix.isprintable() and min(x.min(), y.min()) >= 0:
        return codecs.encode_numbered_names(prefix, (x, y), segments)
    return codecs.encode_names(string_array(*tile.calls.names(part, tile.x, tile.y, prefix, segments)))


def _bases(tile: Tile, part: np.ndarray, ranges: list[tuple[int, int]]) -> pa.StringArray:
    bases, _ = tile.calls.emit(part, ranges)
    ends = np.cumsum(np.tile([length for _, length in ranges], len(part)), dtype=np.int32)
    return string_array(np.concatenate([np.zeros(1, np.int32), ends]), bases)


class _Umi:
    """Molecular identifiers, of whose cycles every sample may have its own."""

    def __init__(self, tile: Tile, info: RunInfo, plan: LanePlan, entry: np.ndarray) -> None:
        self._tile = tile
        self._entry = entry
        firsts = {read.number: info.first_cycle(read) - 1 for read in info.reads}
        self._ranges = [
            [(firsts[number] + start, length) for number, start, length in layout.umi]
            for layout in layouts_of(plan)
        ]

    def column(self, part: np.ndarray, segments: int) -> pa.Array:
        """The parts of each cluster's identifier, joined by '+' as in read names; NULL where it has none."""
        if not any(self._ranges):
            return pa.nulls(len(part) * segments, pa.string())
        entry = self._entry[part]
        pieces = []
        # Clusters come sample by sample, those of none last.
        for run in np.split(part, np.flatnonzero(np.diff(entry)) + 1):
            ranges = self._ranges[self._entry[run[0]]]
            rows = np.repeat(run, segments)
            pieces.append(self._strings(rows, ranges) if ranges else pa.nulls(len(rows), pa.string()))
        return pa.concat_arrays(pieces)

    def _strings(self, rows: np.ndarray, ranges: list[tuple[int, int]]) -> pa.StringArray:
        parts = []
        for begin, length in ranges:
            bases, _ = self._tile.calls.emit(rows, [(begin, length)])
            parts += [np.full((len(rows), 1), ord("+"), np.uint8), bases.reshape(len(rows), length)]
        return fixed_strings(np.concatenate(parts[1:], axis=1))


class _Adapters:
    """Where the adapters that a sample's sheet names begin in its reads."""

    def __init__(self, tile: Tile, info: RunInfo, plan: LanePlan, entry: np.ndarray) -> None:
        self._tile = tile
        self._entry = entry
        self._firsts = [info.first_cycle(read) - 1 for read in info.template_reads]
        self._layouts = layouts_of(plan)

    def column(self, part: np.ndarray) -> pa.Array:
        """The adapter's first base in the cycles kept of each read; NULL where there is none."""
        segments = len(self._firsts)
        if all(layout.adapters is None for layout in self._layouts):
            return pa.nulls(len(part) * segments, pa.int16())
        found = np.full((len(part), segments), -1, np.int16)
        entry = self._entry[part]
        bounds = [0, *(np.flatnonzero(np.diff(entry)) + 1), len(part)]
        for begin, end in pairwise(bounds):
            layout = self._layouts[entry[begin]]
            for segment in range(segments):
                found[begin:end, segment] = self._find(part[begin:end], layout, segment)
        flat = found.reshape(-1)
        return pa.array(flat, mask=flat < 0)

    def _find(self, part: np.ndarray, layout: ReadLayout, segment: int) -> np.ndarray:
        """The first of the read's adapters, -1 for none."""
        best = np.full(len(part), -1, np.int16)
        adapters = layout.adapters
        if adapters is None:
            return best
        start, length = layout.segments[segment]
        for sequence in adapters.sequences[segment]:
            at = self._tile.calls.find_adapter(
                part,
                (self._firsts[segment] + start, length),
                sequence.encode(),
                adapters.stringency,
                adapters.minimum_overlap,
            )
            best = np.where((at >= 0) & ((best < 0) | (at < best)), at, best)
        return best


def layouts_of(plan: LanePlan) -> list[ReadLayout]:
    """What is kept of the clusters of each entry; the last, also found at -1, of clusters that are no sample's."""
    return [*(entry.layout for entry in plan.entries), plan.default]
