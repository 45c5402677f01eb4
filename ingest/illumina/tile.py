"""One tile of a run, all of its cycles, a row to a cluster.

Cycles are inflated in several threads, a file or a part of one at a time; each group of 64 of them is turned into
rows by whichever thread comes last with one. Besides the rows, no more than two groups are in memory.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselake.errors import InputError, NotFoundError
from baselake.ingest.illumina._calls import Calls, select_bytes, select_nibbles
from baselake.ingest.illumina.basecalls import (
    NoCalls,
    bcl_table,
    cbcl_table,
    read_bcl,
    read_bgzf_tile,
    read_cbcl_member,
    read_tile_offsets,
)
from baselake.ingest.illumina.binary import damaged
from baselake.ingest.illumina.run_files import RunFolder

# Of 64 cycles a row's part fills a cache line; and a NovaSeq tile's 64 packed cycles take some 150 MB.
_GROUP = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Clusters of one tile with their calls.

    Attributes:
        lane: 1-based.
        number: the tile.
        clusters: how many the instrument found.
        clusters_pf: how many of them passed its filter.
        kept: int64 [rows], the number of each row's cluster, 0-based, ascending: those that passed, or all.
        x, y: int32 [rows], the position as read names have it.
        filtered: bool [rows], did not pass the filter.
        calls: the calls, a row to each of `kept`, a column to each cycle of the run.
        anomalies: calls with a base and without a quality, which instruments do not write; they are no-calls.
        bytes: what was read of base-call files.
    """

    lane: int
    number: int
    clusters: int
    clusters_pf: int
    kept: NDArray[np.int64]
    x: NDArray[np.int32]
    y: NDArray[np.int32]
    filtered: NDArray[np.bool_]
    calls: Calls
    anomalies: int
    bytes: int


class _Plane(NamedTuple):
    """Calls of one cycle: call bytes, or nibbles with the table of what they mean."""

    calls: bytes | memoryview | NDArray[np.uint8]
    table: bytes | None
    anomalies: int
    bytes: int


class _Selection(NamedTuple):
    """Which of a tile's clusters become rows; `flags` is a bitmap of them, None where all do."""

    clusters: int
    passed: int
    rows: int
    flags: NDArray[np.uint8] | None


def read_tile(
    folder: RunFolder,
    lane: int,
    tile: int,
    *,
    threads: int = 1,
    include_filtered: bool = False,
    no_calls: NoCalls = "bin",
    lenient: bool = False,
    missing_positions: bool = False,
) -> Tile:
    """Read one tile.

    Args:
        folder: the run folder.
        lane: 1-based.
        tile: the tile's number.
        threads: how many inflate and transpose.
        include_filtered: keep clusters that did not pass the instrument's filter.
        no_calls: `bin`: a call of quality bin 0, or of quality 0, is N, whatever its base. `picard`: only one that
            is all zeros is, as Picard has it.
        lenient: take CBCL tiles whose checksum is cut off; for files known to be so.
        missing_positions: without a file of positions, x is the number of the cluster and y is 0, so that names are
            still unique.

    Raises:
        NotFoundError: a file of the tile is missing, or the tile is not in a file that must hold it.
        TruncatedInputError: a file is cut off.
        InputError: a file is damaged or contradicts another; or clusters that did not pass are wanted, and the
            instrument has not written them.
        OSError: a file cannot be read.
    """
    passed = folder.passed(lane, tile)
    whole = include_filtered or bool(passed.all())
    kept = np.arange(len(passed)) if whole else np.flatnonzero(passed)
    selection = _Selection(
        clusters=len(passed),
        passed=int(np.count_nonzero(passed)),
        rows=len(kept),
        flags=None if whole else np.packbits(passed, bitorder="little"),
    )
    x, y = _positions(folder, lane, tile, kept, selection, missing_positions=missing_positions)
    read = _cycle_reader(folder, lane, tile, selection, no_calls, lenient=lenient)
    calls = Calls(selection.rows, folder.run_info.cycles)
    anomalies, size = _fill(calls, read, threads)
    return Tile(
        lane=lane,
        number=tile,
        clusters=selection.clusters,
        clusters_pf=selection.passed,
        kept=kept,
        x=x,
        y=y,
        filtered=~passed[kept],
        calls=calls,
        anomalies=anomalies,
        bytes=size,
    )


def _positions(
    folder: RunFolder,
    lane: int,
    tile: int,
    kept: NDArray[np.int64],
    selection: _Selection,
    *,
    missing_positions: bool,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    found = folder.positions(lane, tile, selection.clusters)
    if found is not None:
        x, y = found
        return x[kept], y[kept]
    if not missing_positions:
        raise NotFoundError(
            f"no file of the positions of tile {tile} of lane {lane}",
            str(folder.intensities),
            "Copy the .locs or .clocs files too, or let --allow-missing positions number the clusters instead",
        )
    return kept.astype(np.int32), np.zeros(len(kept), np.int32)


def _cycle_reader(
    folder: RunFolder, lane: int, tile: int, selection: _Selection, no_calls: NoCalls, *, lenient: bool
) -> Callable[[int], _Plane]:
    """What reads the calls of a cycle, 1-based."""
    clusters, rows, flags = selection.clusters, selection.rows, selection.flags
    bytes_table = bcl_table(no_calls)

    def read_bcl_cycle(cycle: int) -> _Plane:
        data = read_bcl(folder.calls_path(lane, tile, cycle), clusters)
        calls, anomalies = select_bytes(data, clusters, flags, rows, bytes_table)
        return _Plane(calls, None, anomalies, len(data))

    def read_bgzf_cycle(cycle: int) -> _Plane:
        path = folder.calls_path(lane, tile, cycle)
        here = folder.in_lane(lane, tile)
        offsets = read_tile_offsets(path.with_name(f"{path.name}.bci"), here.tiles)
        data, size = read_bgzf_tile(path, offsets, here.place, clusters, here.total)
        calls, anomalies = select_bytes(data, clusters, flags, rows, bytes_table)
        return _Plane(calls, None, anomalies, size)

    def read_cbcl_cycle(cycle: int) -> _Plane:
        header, index = folder.cbcl(lane, tile, cycle)
        held = int(header.clusters[index]) if header.inflated[index] else 0
        expected = selection.passed if header.pf_excluded else clusters
        if held != expected:
            which = "that passed the filter" if header.pf_excluded else "in the filter file"
            raise damaged(header.path, f"{held:,} clusters of tile {tile}, and {expected:,} {which}")
        if header.pf_excluded and rows != selection.passed:
            raise InputError(
                f"clusters that did not pass the filter are not in the file of cycle {cycle}",
                str(header.path),
                "Import this run without --include-filtered",
            )
        table = cbcl_table(header, no_calls)
        data = read_cbcl_member(header, index, lenient=lenient)
        size = int(header.stored[index])
        if flags is None or header.pf_excluded:
            return _Plane(data, table, 0, size)
        calls, anomalies = select_nibbles(data, clusters, flags, rows, table)
        return _Plane(calls, None, anomalies, size)

    return {"bgzf": read_bgzf_cycle, "cbcl": read_cbcl_cycle}.get(folder.kind, read_bcl_cycle)


def _fill(calls: Calls, read: Callable[[int], _Plane], threads: int) -> tuple[int, int]:
    """Reads all cycles; how many calls were anomalies, and how many bytes were read."""
    planes: list[_Plane | None] = [None] * calls.cycles
    waiting = [
        len(range(begin, min(begin + _GROUP, calls.cycles))) for begin in range(0, calls.cycles, _GROUP)
    ]
    anomalies = size = 0
    lock = Lock()

    def take(cycle: int) -> None:
        nonlocal anomalies, size
        plane = planes[cycle] = read(cycle + 1)
        group = cycle // _GROUP
        with lock:
            anomalies += plane.anomalies
            size += plane.bytes
            waiting[group] -= 1
            if waiting[group]:
                return
        begin = group * _GROUP
        whole = [plane for plane in planes[begin : begin + _GROUP] if plane is not None]
        planes[begin : begin + _GROUP] = [None] * len(whole)
        found = calls.add(begin, [plane.calls for plane in whole], [plane.table for plane in whole])
        with lock:
            anomalies += found

    with ThreadPoolExecutor(threads, thread_name_prefix="cycle") as pool:
        try:
            for done in [pool.submit(take, cycle) for cycle in range(calls.cycles)]:
                done.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return anomalies, size
