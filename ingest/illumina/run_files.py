"""The files of an Illumina run folder that has base calls: where they are, and what several tiles need of one.

<run>/RunInfo.xml
<run>/Data/Intensities/BaseCalls/L<lane>/
    C<cycle>.1/s_<lane>_<tile>.bcl[.gz]         HiSeq, MiSeq
    C<cycle>.1/L<lane>_<surface>.cbcl           NovaSeq, NextSeq 1000 and 2000, iSeq 100
    <cycle, 4 digits>.bcl.bgzf[.bci], s_<lane>.bci, s_<lane>.filter   NextSeq 500, MiniSeq
    s_<lane>_<tile>.filter
<run>/Data/Intensities/  s.locs, s_<lane>_<tile>_pos.txt, L<lane>/s_<lane>[_<tile>].locs or .clocs
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselake.errors import NotFoundError, TruncatedInputError
from baselake.ingest.illumina.basecalls import CbclHeader, read_cbcl_header, read_lane_index
from baselake.ingest.illumina.binary import COPY_AGAIN, damaged, missing
from baselake.ingest.illumina.filters import filter_clusters, read_filter
from baselake.ingest.illumina.positions import Positions, read_positions
from baselake.ingest.illumina.run_info import RunInfo

Kind = Literal["bcl", "bcl.gz", "bgzf", "cbcl"]


class TileFiles(NamedTuple):
    """The place of a tile in files that hold a whole lane: its first cluster, its clusters, all clusters."""

    place: int
    first: int
    clusters: int
    total: int
    tiles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """A run folder in which there are base calls.

    Attributes:
        root: the folder.
        run_info: what its RunInfo.xml says.
        kind: of its base-call files.
    """

    root: Path
    run_info: RunInfo
    kind: Kind
    # What several tiles need of one file, while the file is the same: headers by path, shared positions by path.
    _headers: dict[Path, CbclHeader] = field(default_factory=dict, repr=False, compare=False)
    _lanes: dict[int, dict[int, tuple[int, int, int]]] = field(
        default_factory=dict, repr=False, compare=False
    )
    _positions: dict[Path, Positions] = field(default_factory=dict, repr=False, compare=False)

    @property
    def intensities(self) -> Path:
        return self.root / "Data" / "Intensities"

    def lane_folder(self, lane: int) -> Path:
        """Where a lane's base calls are."""
        return base_calls(self.root) / f"L{lane:03}"

    def filter_path(self, lane: int, tile: int) -> Path:
        """The file that says which clusters passed."""
        name = f"s_{lane}.filter" if self.kind == "bgzf" else f"s_{lane}_{tile}.filter"
        return self.lane_folder(lane) / name

    def calls_path(self, lane: int, tile: int, cycle: int) -> Path:
        """The file of a tile's calls of a cycle (1-based); of a CBCL file, the one it must be in by its surface."""
        folder = self.lane_folder(lane)
        if self.kind == "bgzf":
            return folder / f"{cycle:04}.bcl.bgzf"
        if self.kind == "cbcl":
            return folder / f"C{cycle}.1" / f"L{lane:03}_{surface(tile)}.cbcl"
        return folder / f"C{cycle}.1" / f"s_{lane}_{tile}.{self.kind}"

    def lane_index_path(self, lane: int) -> Path:
        """Beside `.bcl.bgzf`, the file that says which tiles these hold."""
        return self.lane_folder(lane) / f"s_{lane}.bci"

    def in_lane(self, lane: int, tile: int) -> TileFiles:
        """Where a tile is within files that hold a whole lane.

        Raises:
            NotFoundError: the lane's index is missing, or the tile is not in it.
            InputError: the index is damaged.
        """
        path = self.lane_index_path(lane)
        if lane not in self._lanes:
            self._lanes[lane] = read_lane_index(path)
        index = self._lanes[lane]
        if tile not in index:
            raise NotFoundError(
                f"tile {tile} is not in the index of lane {lane}", str(path), "Copy the file again"
            )
        return TileFiles(*index[tile], sum(count for _, _, count in index.values()), len(index))

    def cbcl(self, lane: int, tile: int, cycle: int) -> tuple[CbclHeader, int]:
        """The header of the file that holds a tile's calls of a cycle, and which of its tiles it is.

        Raises:
            NotFoundError: the file is missing, or no file of the cycle holds the tile.
            InputError: a header is damaged.
        """
        expected = self.calls_path(lane, tile, cycle)
        absent = None
        # The file of its surface is where instruments put a tile; but it is the table that says it is there.
        for path in self._cbcl_files(expected):
            try:
                header = self.cbcl_header(path)
            except NotFoundError as error:
                absent = error
                continue
            index = header.index(tile)
            if index is not None:
                return header, index
        if absent is not None:
            raise absent
        raise NotFoundError(f"tile {tile} is not in its table", str(expected), "Copy the file again")

    def _cbcl_files(self, first: Path) -> Iterator[Path]:
        """The CBCL files of a cycle; where the first of them does, a share is not asked for the others."""
        yield first
        yield from sorted(path for path in first.parent.glob("L*.cbcl") if path != first)

    def cbcl_header(self, path: Path) -> CbclHeader:
        """The header of a CBCL file, read once while the file stays the same.

        Raises:
            NotFoundError: the file is missing.
            InputError: the header is damaged.
        """
        header = self._headers.get(path)
        if header is not None:
            try:
                status = os.stat(path)
            except FileNotFoundError as error:
                raise missing(path) from error
            if (header.size, header.mtime_ns) == (status.st_size, status.st_mtime_ns):
                return header
        header = read_cbcl_header(path)
        self._headers[path] = header
        return header

    def clusters(self, lane: int, tile: int) -> int:
        """How many clusters a tile has.

        Raises:
            NotFoundError, InputError: the file that tells it is missing or damaged.
        """
        path = self.filter_path(lane, tile)
        clusters = filter_clusters(path)
        if self.kind != "bgzf":
            return clusters
        here = self.in_lane(lane, tile)
        if here.total < clusters:
            index = self.lane_index_path(lane)
            what = (
                f"{here.total:,} clusters of {here.tiles} tiles, and {clusters:,} in the lane's filter file"
            )
            raise TruncatedInputError(what, str(index), COPY_AGAIN)
        if here.total > clusters:
            raise damaged(path, f"{clusters:,} clusters, and {here.total:,} in the lane's index")
        return here.clusters

    def passed(self, lane: int, tile: int) -> NDArray[np.bool_]:
        """Which clusters of a tile passed the filter, bool [clusters].

        Raises:
            NotFoundError, InputError: the filter file is missing or damaged.
        """
        first = self.in_lane(lane, tile).first if self.kind == "bgzf" else 0
        return read_filter(self.filter_path(lane, tile), first, self.clusters(lane, tile))

    def positions_path(
        self, lane: int, tile: int, exists: Callable[[Path], bool] = Path.exists
    ) -> Path | None:
        """The file of a tile's positions; None where there is none. `exists` tells whether there is a file."""
        folder, of_tile = self.intensities, f"s_{lane}_{tile}"
        own = (
            folder / f"L{lane:03}" / f"{of_tile}.locs",
            folder / f"L{lane:03}" / f"{of_tile}.clocs",
            folder / f"{of_tile}_pos.txt",
            folder / f"L{lane:03}" / f"{of_tile}_pos.txt",
        )
        found = (path for path in (*own, *self.shared_positions(lane)) if exists(path))
        return next(found, None)

    def shared_positions(self, lane: int) -> tuple[Path, ...]:
        """Files of positions of several tiles: a lane's one after another, or a pattern that is that of each tile."""
        folder = self.intensities
        of_lane = folder / f"L{lane:03}" / f"s_{lane}.locs"
        return (of_lane,) if self.kind == "bgzf" else (folder / "s.locs", folder / f"s_{lane}.locs", of_lane)

    def positions(self, lane: int, tile: int, clusters: int) -> Positions | None:
        """Where a tile's clusters lie, as read names have it; None where no file says.

        Raises:
            InputError: the file is damaged, or of another number of clusters.
        """
        path = self.positions_path(lane, tile)
        if path is None:
            return None
        if path not in self.shared_positions(lane):
            return read_positions(path, clusters)
        if self.kind == "bgzf":
            files = self.in_lane(lane, tile)
            return read_positions(path, clusters, files.first, files.total)
        if path not in self._positions:
            self._positions[path] = read_positions(path, clusters)
        x, y = self._positions[path]
        if len(x) != clusters:
            raise damaged(
                path, f"{len(x):,} positions, and {clusters:,} clusters in the filter file of tile {tile}"
            )
        return x, y


def base_calls(root: Path) -> Path:
    """Where a run folder has its base calls."""
    return root / "Data" / "Intensities" / "BaseCalls"


def surface(tile: int) -> int:
    """The surface of the flow cell a tile is on: the first of its four or five digits."""
    return int(str(tile)[0])
