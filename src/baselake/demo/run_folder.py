"""An Illumina run folder, as an instrument leaves it: for demonstrations, benchmarks and tests.

Tiles are written one by one, so that a run of any size passes through the memory of one tile. `instrument_order`
gives the order in which the files of a run come into being, by which a test lets a run arrive.
"""

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from isal import igzip_lib
from numpy.typing import NDArray

from baselake.ingest.illumina.run_info import Read

Kind = Literal["bcl", "bcl.gz", "bgzf", "cbcl"]
Positions = Literal["locs", "clocs", "pos.txt", "s.locs"]

NO_CALL = 4
# The quality bins of a NovaSeq 6000.
NOVASEQ_BINS = (0, 11, 25, 37)
_FIRST_CYCLES = 25  # before the filter is known: CBCL files up to here hold all clusters
_BLOCK = 0xFF00  # bytes to a BGZF block, as bgzip has it: what does not compress still fits one
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_BINS_IN_A_ROW = 82
_FILTERS_AFTER = 26  # cycle


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLayout:
    """What a run folder is to be.

    Attributes:
        run_id: the run's name.
        tiles: (lane, tile, clusters), ascending: every tile of the run.
        reads: in the order of their cycles.
        kind: of the base-call files.
        positions: of the files of positions; None writes none. `s.locs` is one file for tiles that are alike. Beside
            `bgzf`, `locs` means a file to each lane.
        number: the instrument's count of its runs.
        instrument, flowcell: as read names have them.
        instrument_type: of RunParameters.xml; None writes no such file.
        bins: qualities of the four bins of CBCL files; the first is that of no-calls.
        pf_excluded_from: the cycle, 1-based, from which on CBCL files hold only clusters that passed; None: never.
        level: of compression, 0 to 3 as ISA-L has them.
    """

    run_id: str
    tiles: tuple[tuple[int, int, int], ...]
    reads: tuple[Read, ...]
    kind: Kind = "cbcl"
    positions: Positions | None = "locs"
    number: int = 1
    instrument: str = "BLSIM01"
    flowcell: str = "HBASELAKE"
    instrument_type: str | None = "NovaSeq 6000"
    bins: tuple[int, int, int, int] = NOVASEQ_BINS
    pf_excluded_from: int | None = _FIRST_CYCLES + 1
    level: int = 1

    @property
    def cycles(self) -> int:
        return sum(read.cycles for read in self.reads)


@dataclass(frozen=True, slots=True, kw_only=True)
class TileCalls:
    """Clusters of a tile, by the order in which the instrument numbers them.

    Attributes:
        lane, tile: which.
        bases: uint8 [clusters, cycles]: 0 to 3 for A, C, G, T as they were read, `NO_CALL`.
        qualities: uint8 [clusters, cycles]; in CBCL files the nearest bin is written. That of a no-call is ignored.
        passed: bool [clusters], passed the filter.
        x, y: int32 [clusters], as read names have them.
    """

    lane: int
    tile: int
    bases: NDArray[np.uint8]
    qualities: NDArray[np.uint8]
    passed: NDArray[np.bool_]
    x: NDArray[np.int32]
    y: NDArray[np.int32]


def write_run_folder(
    root: Path,
    layout: RunLayout,
    tiles: Iterable[TileCalls],
    *,
    sample_sheet: str | None = None,
    threads: int = 1,
) -> None:
    """Write a whole run folder, its end markers too.

    Args:
        root: the run folder; made where absent.
        layout: what it is to be.
        tiles: one for each of the layout's, in that order.
        sample_sheet: the text of SampleSheet.csv; None writes none.
        threads: how many compress.

    Raises:
        ValueError: the tiles are not those of the layout, or cannot be written that way.
        OSError: the disk is full or fails.
    """
    root.mkdir(parents=True, exist_ok=True)
    (root / "RunInfo.xml").write_text(run_info_xml(layout))
    if layout.instrument_type is not None:
        (root / "RunParameters.xml").write_text(
            '<?xml version="1.0"?>\n<RunParameters>\n'
            f"  <InstrumentType>{escape(layout.instrument_type)}</InstrumentType>\n"
            f"  <ExperimentName>{escape(layout.run_id)}</ExperimentName>\n</RunParameters>\n"
        )
    if sample_sheet is not None:
        (root / "SampleSheet.csv").write_text(sample_sheet)
    for lane in {lane for lane, _, _ in layout.tiles}:
        for cycle in range(1, layout.cycles + 1):
            name = "." if layout.kind == "bgzf" else f"C{cycle}.1"
            (_lane_folder(root, lane) / name).mkdir(parents=True, exist_ok=True)
    writers: dict[str, type[_CycleWriter]] = {"cbcl": _CbclWriter, "bgzf": _BgzfWriter}
    writer = writers.get(layout.kind, _BclWriter)(root, layout)
    positions = _PositionsWriter(root, layout)
    expected = iter(layout.tiles)
    with ThreadPoolExecutor(threads, thread_name_prefix="write") as pool:
        for calls in tiles:
            place = (calls.lane, calls.tile, len(calls.passed))
            if next(expected, None) != place or calls.bases.shape != (place[2], layout.cycles):
                raise ValueError(
                    f"lane {place[0]}, tile {place[1]} of {place[2]} clusters is not the layout's next"
                )
            positions.write(calls)
            _write_filter(root, layout, calls)
            _write_cycles(writer, calls, pool)
    if next(expected, None) is not None:
        raise ValueError("tiles of the layout were not given")
    writer.finish()
    for marker in ("RTAComplete.txt", "CopyComplete.txt"):
        (root / marker).write_text("")


def run_info_xml(layout: RunLayout) -> str:
    """The text of RunInfo.xml, of version 6, which lists the tiles and says which reads are reversed."""
    reads = "".join(
        f'      <Read Number="{read.number}" NumCycles="{read.cycles}" IsIndexedRead="{_flag(read.indexed)}"'
        f' IsReverseComplement="{_flag(read.reverse_complement)}" />\n'
        for read in layout.reads
    )
    numbers = [tile for _, tile, _ in layout.tiles]
    tiles = "".join(f"          <Tile>{lane}_{tile}</Tile>\n" for lane, tile, _ in layout.tiles)
    return f"""<?xml version="1.0" encoding="utf-8"?>
<RunInfo Version="6">
  <Run Id={quoteattr(layout.run_id)} Number="{layout.number}">
    <Flowcell>{escape(layout.flowcell)}</Flowcell>
    <Instrument>{escape(layout.instrument)}</Instrument>
    <Date>2026-01-31T09:00:00Z</Date>
    <Reads>
{reads}    </Reads>
    <FlowcellLayout LaneCount="{max(lane for lane, _, _ in layout.tiles)}" SurfaceCount="{_digit(numbers, 0)}"
        SwathCount="{_digit(numbers, 1)}" TileCount="{max(tile % 100 for tile in numbers)}">
      <TileSet TileNamingConvention="FourDigit">
        <Tiles>
{tiles}        </Tiles>
      </TileSet>
    </FlowcellLayout>
  </Run>
</RunInfo>
"""


def instrument_order(root: Path) -> Iterator[Path]:
    """The files of a whole run folder in the order an instrument writes them.

    RunInfo.xml first, then the base calls cycle by cycle, filters and positions once the first 26 cycles are there,
    end markers last.
    """
    cycle_of = re.compile(r"/C(\d+)\.1/|/(\d{4})\.bcl\.bgzf")

    def key(path: Path) -> tuple[int, int, str]:
        found = cycle_of.search(path.as_posix())
        if found is not None:
            return 1, int(found[1] or found[2]), path.as_posix()
        if path.name in ("RTAComplete.txt", "CopyComplete.txt"):
            return 2, path.name == "CopyComplete.txt", ""
        in_run = path.suffix in (".filter", ".locs", ".clocs", ".bci") or path.name.endswith("_pos.txt")
        return (1, _FILTERS_AFTER, "~") if in_run else (0, path.name != "RunInfo.xml", path.as_posix())

    yield from sorted((path for path in root.rglob("*") if path.is_file()), key=key)


def _flag(value: bool) -> str:
    return "Y" if value else "N"


def _digit(numbers: list[int], place: int) -> int:
    return max(int(str(number)[place]) for number in numbers)


def _lane_folder(root: Path, lane: int) -> Path:
    return root / "Data" / "Intensities" / "BaseCalls" / f"L{lane:03}"


def _first_of_lane(layout: RunLayout, lane: int, tile: int) -> bool:
    return next(number for of, number, _ in layout.tiles if of == lane) == tile


def _clusters_of_lane(layout: RunLayout, lane: int) -> int:
    return sum(clusters for of, _, clusters in layout.tiles if of == lane)


def _write_filter(root: Path, layout: RunLayout, calls: TileCalls) -> None:
    folder = _lane_folder(root, calls.lane)
    flags = calls.passed.astype(np.uint8).tobytes()
    if layout.kind != "bgzf":
        header = struct.pack("<III", 0, 3, len(calls.passed))
        (folder / f"s_{calls.lane}_{calls.tile}.filter").write_bytes(header + flags)
        return
    first = _first_of_lane(layout, calls.lane, calls.tile)
    header = struct.pack("<III", 0, 3, _clusters_of_lane(layout, calls.lane)) if first else b""
    with open(folder / f"s_{calls.lane}.filter", "wb" if first else "ab") as file:
        file.write(header + flags)
    with open(folder / f"s_{calls.lane}.bci", "wb" if first else "ab") as file:
        file.write(struct.pack("<II", calls.tile, len(calls.passed)))


class _PositionsWriter:
    def __init__(self, root: Path, layout: RunLayout) -> None:
        self._folder = root / "Data" / "Intensities"
        self._layout = layout
        self._folder.mkdir(parents=True, exist_ok=True)

    def write(self, calls: TileCalls) -> None:
        """Write where a tile's clusters lie."""
        kind, lane = self._layout.positions, calls.lane
        if kind is None:
            return
        pixels = ((np.stack([calls.x, calls.y], axis=1) - 1000) / 10).astype("<f4")
        of_lane = self._folder / f"L{lane:03}"
        of_lane.mkdir(exist_ok=True)
        name = f"s_{lane}_{calls.tile}"
        header = struct.pack("<IfI", 1, 1.0, len(pixels))
        if kind == "s.locs":
            path = self._folder / "s.locs"
            content = header + pixels.tobytes()
            if path.exists() and path.read_bytes() != content:
                raise ValueError("one s.locs for tiles whose clusters lie elsewhere")
            path.write_bytes(content)
        elif kind == "pos.txt":
            np.savetxt(self._folder / f"{name}_pos.txt", pixels, "%.2f")
        elif kind == "clocs":
            (of_lane / f"{name}.clocs").write_bytes(_clocs(calls))
        elif self._layout.kind != "bgzf":
            (of_lane / f"{name}.locs").write_bytes(header + pixels.tobytes())
        else:
            first = _first_of_lane(self._layout, lane, calls.tile)
            header = struct.pack("<IfI", 1, 1.0, _clusters_of_lane(self._layout, lane)) if first else b""
            with open(of_lane / f"s_{lane}.locs", "wb" if first else "ab") as file:
                file.write(header + pixels.tobytes())


def _clocs(calls: TileCalls) -> bytes:
    column, dx = np.divmod(calls.x - 1000, 250)
    row, dy = np.divmod(calls.y - 1000, 250)
    bins = row * _BINS_IN_A_ROW + column
    if len(bins) and (bins.min() < 0 or column.max() >= _BINS_IN_A_ROW or (np.diff(bins) < 0).any()):
        raise ValueError("clusters that do not ascend by bin have no clocs file")
    last = int(bins[-1]) + 1 if len(bins) else 0
    counts = np.bincount(bins, minlength=last)
    if len(counts) and counts.max() > 255:
        raise ValueError("more than 255 clusters lie in one bin of a clocs file")
    pairs = np.stack([dx, dy], axis=1).astype(np.uint8)
    ends = np.cumsum(counts)
    parts = [struct.pack("<BI", 1, last)]
    for count, end in zip(counts.tolist(), ends.tolist(), strict=True):
        parts += [bytes([count]), pairs[end - count : end].tobytes()]
    return b"".join(parts)


class _CycleWriter(Protocol):
    def __init__(self, root: Path, layout: RunLayout) -> None: ...

    def write(
        self, calls: TileCalls, cycle: int, bases: NDArray[np.uint8], qualities: NDArray[np.uint8]
    ) -> None:
        """Write one cycle (1-based) of a tile: uint8 [clusters] each. Cycles of a tile come in several threads."""

    def finish(self) -> None:
        """Write what is only known once all tiles are."""


def _call_bytes(bases: NDArray[np.uint8], qualities: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.where(bases == NO_CALL, 0, bases | qualities << 2).astype(np.uint8)


class _BclWriter:
    def __init__(self, root: Path, layout: RunLayout) -> None:
        self._root, self._layout = root, layout

    def write(
        self, calls: TileCalls, cycle: int, bases: NDArray[np.uint8], qualities: NDArray[np.uint8]
    ) -> None:
        folder = _lane_folder(self._root, calls.lane) / f"C{cycle}.1"
        content = struct.pack("<I", len(bases)) + _call_bytes(bases, qualities).tobytes()
        if self._layout.kind == "bcl.gz":
            content = igzip_lib.compress(content, self._layout.level, igzip_lib.COMP_GZIP)
        (folder / f"s_{calls.lane}_{calls.tile}.{self._layout.kind}").write_bytes(content)

    def finish(self) -> None:
        pass


def _write_cycles(writer: _CycleWriter, calls: TileCalls, pool: ThreadPoolExecutor) -> None:
    bases, qualities = (np.ascontiguousarray(matrix.T) for matrix in (calls.bases, calls.qualities))

    def write(cycle: int) -> None:
        writer.write(calls, cycle, bases[cycle - 1], qualities[cycle - 1])

    for _ in pool.map(write, range(1, len(bases) + 1)):
        pass


class _CbclEntry(NamedTuple):
    tile: int
    clusters: int
    inflated: int
    stored: int


@dataclass(slots=True)
class _CbclWriter:
    _root: Path
    _layout: RunLayout
    _nibble: NDArray[np.uint8] = field(init=False)
    _written: dict[Path, list[_CbclEntry]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        # The bin whose quality is nearest; bin 0 is that of no-calls alone.
        bins = np.array(self._layout.bins[1:])
        self._nibble = (1 + np.abs(np.arange(256)[:, None] - bins).argmin(axis=1)).astype(np.uint8) << 2

    def write(
        self, calls: TileCalls, cycle: int, bases: NDArray[np.uint8], qualities: NDArray[np.uint8]
    ) -> None:
        lane, excluded = calls.lane, self._layout.pf_excluded_from
        surface = str(calls.tile)[0]
        path = _lane_folder(self._root, lane) / f"C{cycle}.1" / f"L{lane:03}_{surface}.cbcl"
        nibbles = np.where(bases == NO_CALL, 0, bases | self._nibble[qualities]).astype(np.uint8)
        if excluded is not None and cycle >= excluded:
            nibbles = nibbles[calls.passed]
        clusters = len(nibbles)
        padded = np.append(nibbles, np.uint8(0)) if clusters % 2 else nibbles
        packed = (padded[0::2] | padded[1::2] << 4).tobytes()
        member = igzip_lib.compress(packed, self._layout.level, igzip_lib.COMP_GZIP) if packed else b""
        first = path not in self._written
        with open(path, "wb" if first else "ab") as file:
            if first:
                file.write(bytes(self._header_size(lane, surface)))
            file.write(member)
        self._written.setdefault(path, []).append(_CbclEntry(calls.tile, clusters, len(packed), len(member)))

    def finish(self) -> None:
        for path, entries in self._written.items():
            cycle = int(path.parent.name[1:-2])
            excluded = self._layout.pf_excluded_from
            size = _cbcl_header_size(len(entries))
            header = struct.pack("<HIBBI", 1, size, 2, 2, 4)
            header += b"".join(struct.pack("<II", *pair) for pair in enumerate(self._layout.bins))
            header += struct.pack("<I", len(entries))
            header += b"".join(struct.pack("<IIII", *entry) for entry in entries)
            header += bytes([excluded is not None and cycle >= excluded])
            with open(path, "r+b") as file:
                file.write(header)

    def _header_size(self, lane: int, surface: str) -> int:
        return _cbcl_header_size(
            sum(of == lane and str(tile)[0] == surface for of, tile, _ in self._layout.tiles)
        )


def _cbcl_header_size(tiles: int) -> int:
    return 12 + 4 * 8 + 4 + 16 * tiles + 1


@dataclass(slots=True)
class _BgzfStream:
    """What is written of one `.bcl.bgzf` file, and what waits for its block to fill."""

    path: Path
    written: int = 0
    waiting: bytes = b""
    offsets: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _BgzfWriter:
    _root: Path
    _layout: RunLayout
    _streams: dict[tuple[int, int], _BgzfStream] = field(init=False, default_factory=dict)

    def write(
        self, calls: TileCalls, cycle: int, bases: NDArray[np.uint8], qualities: NDArray[np.uint8]
    ) -> None:
        path = _lane_folder(self._root, calls.lane) / f"{cycle:04}.bcl.bgzf"
        stream = self._streams.get((calls.lane, cycle))
        if stream is None:
            count = struct.pack("<I", _clusters_of_lane(self._layout, calls.lane))
            stream = self._streams[calls.lane, cycle] = _BgzfStream(path, waiting=count)
            path.write_bytes(b"")
        stream.offsets.append(stream.written << 16 | len(stream.waiting))
        content = stream.waiting + _call_bytes(bases, qualities).tobytes()
        whole = len(content) // _BLOCK * _BLOCK
        blocks = [
            _bgzf_block(content[begin : begin + _BLOCK], self._layout.level)
            for begin in range(0, whole, _BLOCK)
        ]
        stream.waiting = content[whole:]
        stream.written += sum(map(len, blocks))
        with open(path, "ab") as file:
            file.write(b"".join(blocks))

    def finish(self) -> None:
        for stream in self._streams.values():
            with open(stream.path, "ab") as file:
                if stream.waiting:
                    file.write(_bgzf_block(stream.waiting, self._layout.level))
                file.write(_BGZF_END)
            index = struct.pack("<II", 0, len(stream.offsets))
            index += struct.pack(f"<{len(stream.offsets)}Q", *stream.offsets)
            stream.path.with_name(f"{stream.path.name}.bci").write_bytes(index)


def _bgzf_block(content: bytes, level: int) -> bytes:
    deflated = igzip_lib.compress(content, level, igzip_lib.COMP_DEFLATE)
    size = 18 + len(deflated) + 8
    header = struct.pack("<4BI2BH2BHH", 0x1F, 0x8B, 8, 4, 0, 0, 0xFF, 6, ord("B"), ord("C"), 2, size - 1)
    return header + deflated + struct.pack("<II", zlib.crc32(content), len(content))
