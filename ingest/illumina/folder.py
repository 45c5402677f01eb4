"""An Illumina run folder as a whole: how far it has come, and whether it is whole."""

import hashlib
import heapq
import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from baselake.errors import InputError, NotFoundError, TruncatedInputError
from baselake.ingest.illumina.basecalls import BGZF_END, read_lane_index, read_tile_offsets
from baselake.ingest.illumina.binary import read_part
from baselake.ingest.illumina.positions import locs_clusters
from baselake.ingest.illumina.run_files import Kind, RunFolder, base_calls, surface
from baselake.ingest.illumina.run_info import RunInfo
from baselake.ingest.run_source import Fault, RunCheck

_CYCLE_FOLDER = re.compile(r"C(\d+)\.1")
_CYCLE_FILE = re.compile(r"(\d{4})\.bcl\.bgzf")
_ENDINGS: dict[str, Kind] = {".bcl": "bcl", ".bcl.gz": "bcl.gz", ".cbcl": "cbcl"}
_LAST_FOLDERS = 4  # to a lane: instruments write the cycles in turn, copies a few files at a time
_GZIP_TRAILER = 18  # bytes of header and trailer
_MISSING = "the file is missing"
# A cluster's reads take some 0.45 of a byte a call in Parquet (bases 2 bits, binned qualities less, a share of the
# name), and twice that where qualities are not binned.
_LAKE_BYTES_A_CALL = 1.0


def open_run_folder(root: Path, run_info: RunInfo) -> RunFolder:
    """Find the base calls of a run folder.

    Raises:
        NotFoundError: there are none yet.
    """
    for lane in range(1, run_info.lanes + 1):
        kind = _kind(base_calls(root) / f"L{lane:03}")
        if kind is not None:
            return RunFolder(root=root, run_info=run_info, kind=kind)
    raise NotFoundError(
        "no base calls in the run folder", str(base_calls(root)), "Wait for the instrument, or check the path"
    )


def _kind(lane_folder: Path) -> Kind | None:
    """The kind of a lane's base calls; None where it has none."""
    if not lane_folder.is_dir():
        return None
    for entry in sorted(os.scandir(lane_folder), key=lambda entry: entry.name):
        if _CYCLE_FILE.fullmatch(entry.name):
            return "bgzf"
        if _CYCLE_FOLDER.fullmatch(entry.name):
            for name in os.listdir(entry.path):
                for ending, kind in _ENDINGS.items():
                    if name.endswith(ending):
                        return kind
    return None


def clusters_of(folder: RunFolder, lane: int, tile: int) -> int:
    """How many clusters a tile has; 0 where that cannot be told yet.

    Raises:
        InputError: the file that tells it is damaged.
    """
    try:
        return folder.clusters(lane, tile)
    except NotFoundError:
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """How far a run folder has come, as far as a look at it tells that is cheap enough to repeat.

    Attributes:
        cycles: cycles of which every lane has something.
        bytes: size of the files looked at: those of the run, of lanes, and of the cycles written last.
        signature: changes with these files, and with every file that comes or goes.
    """

    cycles: int
    bytes: int
    signature: str


def observe(root: Path, run_info: RunInfo) -> Observed:
    """Look at a run folder, whether it has base calls yet or not.

    Of a cycle's folder the time is taken that something came into it; files are looked at one by one only in the
    folders where that was last, since a file that is being copied is in one of them.

    Raises:
        OSError: a folder is there and cannot be read.
    """
    digest = hashlib.sha256()
    size = 0
    cycles: list[set[int]] = []
    by_time: list[tuple[int, str]] = []

    def look(folder: Path | str) -> set[int]:
        nonlocal size
        seen = set()
        for entry in sorted(_entries(folder).values(), key=lambda entry: entry.name):
            digest.update(entry.path.encode())
            try:
                status = entry.stat()
            except FileNotFoundError:
                continue  # renamed since the folder was listed, as copying tools do in the end
            digest.update(f" {status.st_mtime_ns} ".encode())
            is_cycle = _CYCLE_FOLDER.fullmatch(entry.name) or _CYCLE_FILE.fullmatch(entry.name)
            if is_cycle:
                seen.add(int(is_cycle[1]))
            if entry.is_file():
                digest.update(f"{status.st_size} ".encode())
                size += status.st_size
            elif is_cycle:
                by_time.append((status.st_mtime_ns, entry.path))
        return seen

    look(root)
    look(root / "Data" / "Intensities")
    for lane in range(1, run_info.lanes + 1):
        look(root / "Data" / "Intensities" / f"L{lane:03}")
        cycles.append(look(base_calls(root) / f"L{lane:03}"))
    for _, path in heapq.nlargest(_LAST_FOLDERS * run_info.lanes, by_time):
        look(path)
    return Observed(cycles=len(set.intersection(*cycles)), bytes=size, signature=digest.hexdigest())


def _entries(folder: Path | str) -> dict[str, os.DirEntry[str]]:
    """What is in a folder, by name; nothing where it is not there."""
    try:
        with os.scandir(folder) as found:
            return {entry.name: entry for entry in found}
    except FileNotFoundError:
        return {}


def absent_tiles(
    folder: RunFolder, places: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], tuple[Fault, ...]]:
    """Of some lanes and tiles, those of which there is nothing: neither a filter file nor any call.

    RunInfo.xml of older instruments lists no tiles but says how many a flow cell has, whether they are imaged or not.
    """
    files = _Files()
    absent: dict[tuple[int, int], tuple[Fault, ...]] = {}
    for lane, tiles in _by_lane(places):
        unfiltered = [tile for tile in tiles if files.find(folder.filter_path(lane, tile)) is None]
        if folder.kind == "bgzf":
            if not files.has(folder.lane_index_path(lane)) and files.has(folder.filter_path(lane, 0)):
                continue  # which tiles the lane has cannot be told: the index is what is missing
            unfiltered = tiles
        there = _tiles_there(folder, lane, files) if unfiltered else set()
        for tile in unfiltered:
            if tile not in there:
                what = "nothing of the tile is there, neither its filter nor its calls"
                path = folder.filter_path(lane, tile)
                absent[lane, tile] = (Fault(path=path, what=what, missing=True, lane=lane, tile=tile),)
    return absent


def check_tile(folder: RunFolder, lane: int, tile: int) -> tuple[Fault, ...]:
    """What is wrong with the files of one tile, as `check_run`.

    Raises:
        OSError: a file is there and cannot be read.
    """
    check = _Check(folder)
    check.lane(lane, [tile])
    return tuple(check.faults)


def check_run(folder: RunFolder, *, allow_missing: Collection[str] = ()) -> RunCheck:
    """What is wrong with the files of a run, from what they say of their sizes; nothing is decompressed.

    The files there must be follow from RunInfo.xml. A filter file says how many clusters a tile has, and so how large
    the files of its calls are; a CBCL file says in its header how large it is. What only decompression tells,
    `read_tile` checks. Each folder is listed once and each header read once: this is repeated on file shares.

    Args:
        folder: the run folder.
        allow_missing: `positions`: files of positions may be absent; `tiles`: so may all files of a tile.

    Raises:
        OSError: a file is there and cannot be read.
    """
    absent = absent_tiles(folder, folder.run_info.tiles)
    check = _Check(folder)
    for lane, tiles in _by_lane(place for place in folder.run_info.tiles if place not in absent):
        check.lane(lane, tiles, positions="positions" not in allow_missing)
    if "tiles" not in allow_missing:
        check.faults += [fault for of_tile in absent.values() for fault in of_tile]
    needed = int(check.clusters * folder.run_info.cycles * _LAKE_BYTES_A_CALL)
    return RunCheck(faults=tuple(check.faults), bytes=check.bytes, bytes_needed=needed)


def _by_lane(places: Iterable[tuple[int, int]]) -> list[tuple[int, list[int]]]:
    lanes: dict[int, list[int]] = {}
    for lane, tile in places:
        lanes.setdefault(lane, []).append(tile)
    return sorted(lanes.items())


def _tiles_there(folder: RunFolder, lane: int, files: "_Files") -> set[int]:
    """Tiles of which a lane has calls in some cycle."""
    there: set[int] = set()
    of_lane = folder.lane_folder(lane)
    if folder.kind == "bgzf":
        try:
            return set(read_lane_index(folder.lane_index_path(lane)))
        except NotFoundError:
            return there
    for cycle in filter(_CYCLE_FOLDER.fullmatch, files.entries(of_lane)):
        for name in files.entries(of_lane / cycle):
            if folder.kind == "cbcl" and name.endswith(".cbcl"):
                try:
                    there |= set(folder.cbcl_header(of_lane / cycle / name).tiles.tolist())
                except InputError:
                    continue  # told as a fault of the file, if a tile needs it
            elif tile := re.fullmatch(rf"s_{lane}_(\d+)\.bcl(\.gz)?", name):
                there.add(int(tile[1]))
    return there


class _Files:
    """Files, each folder listed once."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, os.DirEntry[str]]] = {}

    def entries(self, folder: Path) -> dict[str, os.DirEntry[str]]:
        if folder not in self._folders:
            self._folders[folder] = _entries(folder)
        return self._folders[folder]

    def find(self, path: Path) -> os.DirEntry[str] | None:
        return self.entries(path.parent).get(path.name)

    def has(self, path: Path) -> bool:
        return self.find(path) is not None


class _Check:
    """Faults of a run's files; on the way, the size of its base-call files and how many clusters it has."""

    def __init__(self, folder: RunFolder) -> None:
        self.faults: list[Fault] = []
        self.bytes = 0
        self.clusters = 0
        self._folder = folder
        self._files = _Files()
        self._passed: dict[tuple[int, int], int] = {}

    def lane(self, lane: int, tiles: Sequence[int], *, positions: bool = True) -> None:
        """Check some tiles of a lane."""
        folder = self._folder.lane_folder(lane)
        if not self._files.entries(folder):
            self._fault(folder, "the folder of the lane is missing or empty", missing=True, lane=lane)
            return
        counts = self._count(lane, tiles)
        self.clusters += sum(counts.values())
        if positions:
            self._check_positions(lane, tiles, counts)
        check = {"bgzf": self._check_bgzf, "cbcl": self._check_cbcl}.get(self._folder.kind, self._check_bcl)
        for cycle in range(1, self._folder.run_info.cycles + 1):
            check(lane, tiles, cycle, counts)

    def _count(self, lane: int, tiles: Sequence[int]) -> dict[int, int]:
        """How many clusters each tile has, where its filter file tells."""
        counts: dict[int, int] = {}
        for tile in tiles:
            try:
                counts[tile] = self._folder.clusters(lane, tile)
            except (InputError, NotFoundError) as error:
                self._told(error, lane=lane, tile=None if self._folder.kind == "bgzf" else tile)
                if self._folder.kind == "bgzf":
                    break  # what is wrong with a file of the lane is told once
        return counts

    def _check_positions(self, lane: int, tiles: Sequence[int], counts: dict[int, int]) -> None:
        without = []
        shared: dict[Path, int] = {}
        for tile in tiles:
            path = self._folder.positions_path(lane, tile, self._files.has)
            if path is None:
                without.append(tile)
            elif tile in counts and path in self._folder.shared_positions(lane):
                try:
                    if path not in shared:
                        shared[path] = locs_clusters(path)
                except InputError as error:
                    self._told(error, lane=lane)
                    return
                bgzf = self._folder.kind == "bgzf"
                wanted = self._folder.in_lane(lane, tile).total if bgzf else counts[tile]
                if shared[path] != wanted:
                    what = f"{shared[path]:,} positions, and {wanted:,} clusters in the filter file"
                    self._fault(path, what, lane=lane, tile=tile)
            else:
                size = self._size(path)
                if size == 0 and counts.get(tile):
                    self._fault(path, "the file is empty", missing=True, lane=lane, tile=tile)
                elif path.suffix == ".locs" and tile in counts:
                    self._check_size(path, size, 12 + 8 * counts[tile], lane=lane, tile=tile)
        what = "no file of positions: .locs, .clocs or _pos.txt"
        if len(without) == len(tiles):
            self._fault(self._folder.intensities, what, missing=True, lane=lane)
        else:
            for tile in without:
                self._fault(self._folder.intensities, what, missing=True, lane=lane, tile=tile)

    def _check_bcl(self, lane: int, tiles: Sequence[int], cycle: int, counts: dict[int, int]) -> None:
        folder = self._folder.lane_folder(lane) / f"C{cycle}.1"
        entries = self._files.entries(folder)
        if not entries:
            self._fault(
                folder, "the folder of the cycle is missing or empty", missing=True, lane=lane, cycle=cycle
            )
            return
        for tile in tiles:
            name = f"s_{lane}_{tile}.{self._folder.kind}"
            if name not in entries:
                self._fault(folder / name, _MISSING, missing=True, lane=lane, tile=tile, cycle=cycle)
                continue
            size = entries[name].stat().st_size
            self.bytes += size
            if name.endswith(".gz") and size > _GZIP_TRAILER and tile in counts:
                # The last four bytes of gzip are how many it inflates to: of a file that is cut off, any.
                path = folder / name
                inflated = int.from_bytes(read_part(path, size - 4, 4), "little")
                if inflated != 4 + counts[tile]:
                    what = f"its gzip data is cut off, or not of {counts[tile]:,} clusters"
                    self._fault(path, what, missing=True, lane=lane, tile=tile, cycle=cycle)
            elif name.endswith(".gz"):
                if size <= _GZIP_TRAILER:
                    what = f"{size} bytes, which is no gzip data"
                    self._fault(folder / name, what, missing=True, lane=lane, tile=tile, cycle=cycle)
            elif tile in counts and size != 4 + counts[tile]:
                self._check_size(folder / name, size, 4 + counts[tile], lane=lane, tile=tile, cycle=cycle)

    def _check_cbcl(self, lane: int, tiles: Sequence[int], cycle: int, counts: dict[int, int]) -> None:
        folder = self._folder.lane_folder(lane) / f"C{cycle}.1"
        names = sorted(name for name in self._files.entries(folder) if name.endswith(".cbcl"))
        if not names:
            self._fault(
                folder, "the folder of the cycle is missing or empty", missing=True, lane=lane, cycle=cycle
            )
            return
        unread = set()
        left = set(tiles)
        for name in names:
            path = folder / name
            self.bytes += self._size(path)
            try:
                header = self._folder.cbcl_header(path)
            except (InputError, NotFoundError) as error:
                self._told(error, lane=lane, cycle=cycle)
                unread.add(path)
                continue
            self._check_size(path, header.size, header.expected_size, lane=lane, cycle=cycle)
            # A tile of which nothing is stored has no clusters, whatever its count says.
            held = np.where(header.inflated == 0, 0, header.clusters)
            for tile, clusters in zip(header.tiles.tolist(), held.tolist(), strict=True):
                if tile not in left:
                    continue
                left.discard(tile)
                expected = (
                    self._passed.setdefault((lane, tile), clusters)
                    if header.pf_excluded
                    else counts.get(tile)
                )
                if expected is not None and (clusters != expected or clusters > counts.get(tile, clusters)):
                    which = "as passed in other cycles" if header.pf_excluded else "in the filter file"
                    what = f"{clusters:,} clusters of the tile, and {expected:,} {which}"
                    self._fault(path, what, lane=lane, tile=tile, cycle=cycle)
        for number in sorted({surface(tile) for tile in left}):
            of_surface = sorted(tile for tile in left if surface(tile) == number)
            path = self._folder.calls_path(lane, of_surface[0], cycle)
            if path in unread:
                continue
            if self._files.find(path) is None:
                self._fault(path, _MISSING, missing=True, lane=lane, cycle=cycle)
                continue
            for tile in of_surface:
                self._fault(
                    path, "the tile is not in its table", missing=True, lane=lane, tile=tile, cycle=cycle
                )

    def _check_bgzf(self, lane: int, tiles: Sequence[int], cycle: int, counts: dict[int, int]) -> None:
        path = self._folder.calls_path(lane, tiles[0], cycle)
        if self._files.find(path) is None:
            self._fault(path, _MISSING, missing=True, lane=lane, cycle=cycle)
            return
        size = self._size(path)
        self.bytes += size
        if size < len(BGZF_END) or read_part(path, size - len(BGZF_END), len(BGZF_END)) != BGZF_END:
            self._fault(
                path,
                f"its {size:,} bytes do not end as BGZF does: it is cut off",
                missing=True,
                lane=lane,
                cycle=cycle,
            )
        if not counts:
            return
        try:
            offsets = read_tile_offsets(
                path.with_name(f"{path.name}.bci"), self._folder.in_lane(lane, tiles[0]).tiles
            )
        except (InputError, NotFoundError) as error:
            self._told(error, lane=lane, cycle=cycle)
            return
        if (np.diff(offsets.astype(np.int64)) < 0).any() or int(offsets[-1]) >> 16 >= size:
            what = f"the tiles it has do not lie one after another in the {size:,} bytes of {path.name}"
            self._fault(path.with_name(f"{path.name}.bci"), what, lane=lane, cycle=cycle)

    def _size(self, path: Path) -> int:
        entry = self._files.find(path)
        return entry.stat().st_size if entry is not None else 0

    def _check_size(self, path: Path, size: int, expected: int, **place: int) -> None:
        if size != expected:
            what = f"{size:,} bytes where {expected:,} are expected"
            self._fault(path, what, missing=size < expected, **place)

    def _told(self, error: InputError | NotFoundError, **place: int | None) -> None:
        # What is cut off may be on its way.
        missing = isinstance(error, (NotFoundError, TruncatedInputError))
        self._fault(Path(error.where), error.what, missing=missing, **place)

    def _fault(self, path: Path, what: str, *, missing: bool = False, **place: int | None) -> None:
        self.faults.append(Fault(path=path, what=what, missing=missing, **place))
