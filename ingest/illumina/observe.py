"""What a run folder shows while it is being written, by few listings: it may lie across a network."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from baselake.errors import NotFoundError
from baselake.ingest.illumina.folder import RunFolder, base_calls
from baselake.ingest.illumina.run_info import RunInfo
from baselake.ingest.run_source import Fault

_CYCLE = re.compile(r"C(\d+)\.1|(\d{4})\.bcl\.bgzf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """How far a run folder has come.

    Attributes:
        cycles: cycles of which every lane has something.
        bytes: size of the files that were listed.
        signature: changes whenever a listing does.
    """

    cycles: int
    bytes: int
    signature: str


def observe(root: Path, info: RunInfo) -> Observation:
    """List the folder itself, its lanes, and the newest cycle of each.

    A file that is copied into an older cycle changes that cycle's folder, and so the lane's listing.

    Raises:
        OSError: the folder cannot be listed.
    """
    digest = hashlib.sha256()
    size = 0
    cycles = info.cycles
    for folder in (root, base_calls(root).parent):
        size += _add(digest, folder)
    for lane in range(1, info.lanes + 1):
        folder = base_calls(root) / f"L{lane:03}"
        size += _add(digest, folder) + _add(digest, base_calls(root).parent / folder.name)
        seen = sorted(number for number, _ in _cycles(folder))
        cycles = min(cycles, len(seen))
        if seen:
            size += _add(digest, folder / f"C{seen[-1]}.1")
    return Observation(cycles=cycles, bytes=size, signature=digest.hexdigest())


def absent_tiles(
    folder: RunFolder, places: Iterable[tuple[int, int]]
) -> Mapping[tuple[int, int], list[Fault]]:
    """The tiles, as (lane, tile), that the run must have and of which there is nothing; each with its fault.

    A tile of which there is a part is not among them: what is missing of it comes to light when it is read.
    """
    absent = {}
    for lane, tile in places:
        path = folder.lane_index_path(lane) if folder.kind == "bgzf" else folder.filter_path(lane, tile)
        if not _is_there(folder, lane, tile):
            what = "the tile is missing"
            absent[lane, tile] = [Fault(path=path, what=what, missing=True, lane=lane, tile=tile)]
    return absent


def _is_there(folder: RunFolder, lane: int, tile: int) -> bool:
    if folder.kind == "bgzf":
        try:
            folder.in_lane(lane, tile)
        except NotFoundError:
            return False
        return True
    if folder.filter_path(lane, tile).exists():
        return True
    return folder.kind != "cbcl" and folder.calls_path(lane, tile, 1).exists()


def _cycles(lane_folder: Path) -> Iterator[tuple[int, str]]:
    for entry in _entries(lane_folder):
        if match := _CYCLE.fullmatch(entry.name):
            yield int(match[1] or match[2]), entry.name


def _add(digest: "hashlib._Hash", folder: Path) -> int:
    """Adds a listing to the digest; the size of the files in it."""
    total = 0
    for entry in sorted(_entries(folder), key=lambda entry: entry.name):
        status = entry.stat()
        size = status.st_size if entry.is_file() else 0
        total += size
        digest.update(f"{entry.path}\0{size}\0{status.st_mtime_ns}\n".encode())
    return total


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
