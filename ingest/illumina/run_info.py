"""RunInfo.xml: what the instrument set out to sequence, and so which files a whole run consists of.

Every Illumina instrument writes it when a run starts. Versions 2 (HiSeq, MiSeq) to 6 (NovaSeq X) differ in what
they add: 4 lists the tiles, 6 says which reads are sequenced as reverse complements.
"""

import hashlib
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from urllib.parse import quote
from xml.parsers.expat import errors as expat_errors

from baselake.errors import InputError, NotFoundError, TruncatedInputError

_REMEDY = "Copy the file from the instrument again"
_DATE_FORMS = ("%y%m%d", "%Y%m%d", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y")
_LONGEST_NAME = 200  # characters, others than ASCII's letters and digits counted as the three of %2F
_TILE = re.compile(r"(?P<lane>\d{1,2})_(?P<tile>\d{4,5})")
_DECLARED = re.compile(r"""<\?xml[^>]*?\sencoding=["'](?P<encoding>[A-Za-z0-9._-]+)["']""")
# What expat says of XML that ends too early, as a file does that is still being copied.
_ENDS_EARLY = frozenset(
    expat_errors.codes[message]
    for message in (
        expat_errors.XML_ERROR_NO_ELEMENTS,
        expat_errors.XML_ERROR_UNCLOSED_TOKEN,
        expat_errors.XML_ERROR_PARTIAL_CHAR,
        expat_errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One `<Read>`: consecutive cycles of the run.

    Attributes:
        number: 1 for the first read of the run, index reads counted too.
        cycles: how many.
        indexed: an index read.
        reverse_complement: `IsReverseComplement="Y"`: the instrument reads it from the other strand, and a sample
            sheet spells it as on the first strand. Instruments before the NextSeq 1000 say nothing: False.
    """

    number: int
    cycles: int
    indexed: bool
    reverse_complement: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What RunInfo.xml says.

    Attributes:
        run_id: the run's name, as its folder was called.
        number: the instrument's count of its runs.
        flowcell: the flow cell's barcode.
        instrument: the instrument's serial number.
        date: when it started, by the instrument's clock, or in UTC where the file says so; without a zone. None
            where it is absent or of no known form: nothing is decided by it, and `text` keeps it.
        reads: in the order of their cycles.
        lanes: how many lanes the flow cell has.
        tiles: (lane, tile) of every tile, in that order.
        digest: SHA-256 of the file, hexadecimal.
        text: the file.
    """

    run_id: str
    number: int
    flowcell: str
    instrument: str
    date: datetime | None
    reads: tuple[Read, ...]
    lanes: int
    tiles: tuple[tuple[int, int], ...]
    digest: str
    text: str

    @property
    def template_reads(self) -> tuple[Read, ...]:
        """The reads of the template itself: the first is read 1 of its SAM flags, the second read 2."""
        return tuple(read for read in self.reads if not read.indexed)

    @property
    def index_reads(self) -> tuple[Read, ...]:
        """The index reads: the first reads i7 (`index`), the second i5 (`index2`)."""
        return tuple(read for read in self.reads if read.indexed)

    @property
    def cycles(self) -> int:
        """How many cycles the run has."""
        return sum(read.cycles for read in self.reads)

    def first_cycle(self, read: Read) -> int:
        """The cycle of the read's first base, 1-based, as folders and files of base calls count them."""
        return 1 + sum(earlier.cycles for earlier in self.reads if earlier.number < read.number)


def read_run_info(path: Path) -> RunInfo:
    """Read RunInfo.xml.

    Args:
        path: the file.

    Raises:
        NotFoundError: there is no such file.
        TruncatedInputError: it ends before its XML does.
        InputError: it is not XML, or an element or attribute is missing or makes no sense.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError("no such file", str(path), "Give the run folder that holds it") from error
    return parse_run_info(data, path)


def parse_run_info(data: bytes, path: Path) -> RunInfo:
    """Read the bytes of RunInfo.xml; `path` is where they are from. Raises as `read_run_info` does."""
    root = parse_xml(data, path)
    if root.tag != "RunInfo":
        raise InputError(f"its root is <{root.tag}>, not <RunInfo>", str(path), _REMEDY)
    run = _element(root, "Run", path)
    reads = _reads(_element(run, "Reads", path), path)
    layout = _element(run, "FlowcellLayout", path)
    lanes = _count(layout, "LaneCount", path)
    date = run.findtext("Date", "")
    return RunInfo(
        run_id=_run_id(run, path),
        number=_number(run, "Number", path),
        flowcell=_text(run, "Flowcell", path),
        instrument=_text(run, "Instrument", path),
        date=parse_date(date),
        reads=reads,
        lanes=lanes,
        tiles=_listed_tiles(layout, lanes, path) or _laid_out_tiles(layout, lanes, path),
        digest=hashlib.sha256(data).hexdigest(),
        text=decode_xml(data),
    )


def parse_xml(data: bytes, path: Path) -> ET.Element:
    """The root element of an XML file of the run folder.

    Raises:
        TruncatedInputError: it ends before its XML does.
        InputError: it is not XML; line and column are named, both 1-based.
    """
    try:
        return ET.fromstring(data)
    except ET.ParseError as error:
        line, column = error.position
        where = f"{path}, line {line}, column {column + 1}"
        if error.code in _ENDS_EARLY:
            raise TruncatedInputError("the XML ends too early", where, _REMEDY) from error
        raise InputError(f"not XML: {str(error).partition(':')[0]}", where, _REMEDY) from error
    except (LookupError, ValueError) as error:
        raise InputError(f"not XML: {error}", str(path), _REMEDY) from error


def decode_xml(data: bytes) -> str:
    """The text of a file that `parse_xml` has read; it declares UTF-8, in which it can be stored and read again."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    else:
        declared = _DECLARED.match(data[:200].decode("latin-1").removeprefix("\u00ef\u00bb\u00bf"))
        encoding = (
            declared["encoding"] if declared and declared["encoding"].lower() != "utf-8" else "utf-8-sig"
        )
    text = data.decode(encoding)
    declared = _DECLARED.match(text)
    if declared and declared["encoding"].lower() != "utf-8":
        text = text[: declared.start("encoding")] + "utf-8" + text[declared.end("encoding") :]
    return text


def parse_date(text: str) -> datetime | None:
    """A date as instruments write them: 230825, 20230825, 8/25/2023 1:32:09 PM or ISO 8601; None: none of these."""
    text = text.strip()
    for form in _DATE_FORMS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    try:
        date = datetime.fromisoformat(text)
        return date.astimezone(UTC).replace(tzinfo=None) if date.tzinfo else date
    except (ValueError, OverflowError):
        return None


def _reads(parent: ET.Element, path: Path) -> tuple[Read, ...]:
    reads = sorted(
        (
            Read(
                number=_count(element, "Number", path),
                cycles=_count(element, "NumCycles", path),
                indexed=_flag(element, "IsIndexedRead", path),
                reverse_complement="IsReverseComplement" in element.attrib
                and _flag(element, "IsReverseComplement", path),
            )
            for element in parent.findall("Read")
        ),
        key=lambda read: read.number,
    )
    if not reads:
        raise InputError("there is no <Read>", f"{path}, <Reads>", _REMEDY)
    numbers = [read.number for read in reads]
    # A read that is missing would shift every later one to cycles that are not its own.
    if numbers != list(range(1, len(reads) + 1)):
        raise InputError(
            f"the reads are numbered {', '.join(map(str, numbers))}, not from 1 on",
            f"{path}, <Reads>",
            _REMEDY,
        )
    if all(read.indexed for read in reads):
        raise InputError("all reads are index reads", f"{path}, <Reads>", _REMEDY)
    return tuple(reads)


def _listed_tiles(layout: ET.Element, lanes: int, path: Path) -> tuple[tuple[int, int], ...]:
    """The tiles the file lists; none before version 4."""
    tiles: set[tuple[int, int]] = set()
    for element in layout.iterfind("TileSet/Tiles/Tile"):
        text = (element.text or "").strip()
        match = _TILE.fullmatch(text)
        if match is None:
            raise InputError(f"the tile {text!r} is not LANE_TILE", f"{path}, <Tiles>", _REMEDY)
        tile = int(match["lane"]), int(match["tile"])
        if not 1 <= tile[0] <= lanes:
            raise InputError(f"the tile {text} is in lane {tile[0]} of {lanes}", f"{path}, <Tiles>", _REMEDY)
        if tile in tiles:
            raise InputError(f"the tile {text} is listed twice", f"{path}, <Tiles>", _REMEDY)
        tiles.add(tile)
    return tuple(sorted(tiles))


def _laid_out_tiles(layout: ET.Element, lanes: int, path: Path) -> tuple[tuple[int, int], ...]:
    """The tiles that the flow cell's layout implies.

    Four digits are surface, swath and tile. The NextSeq 500 has a camera between the last two: `SectionPerLane`
    cameras see a lane, and cameras are shared by `LanePerSection` lanes, so that lanes 1 and 2 are seen by cameras
    1 to 3, lanes 3 and 4 by cameras 4 to 6.
    """
    surfaces, swaths, tiles = (
        _count(layout, name, path) for name in ("SurfaceCount", "SwathCount", "TileCount")
    )
    if surfaces > 2 or swaths > 9 or tiles > 99:
        raise InputError(
            f"{surfaces} surfaces, {swaths} swaths and {tiles} tiles cannot be numbered in four digits",
            f"{path}, <FlowcellLayout>",
            _REMEDY,
        )
    numbers = list(product(range(1, surfaces + 1), range(1, swaths + 1), range(1, tiles + 1)))
    if "SectionPerLane" not in layout.attrib:
        return tuple(
            (lane, surface * 1000 + swath * 100 + tile)
            for lane in range(1, lanes + 1)
            for surface, swath, tile in numbers
        )
    sections = _count(layout, "SectionPerLane", path)
    sharing = _count(layout, "LanePerSection", path)
    if (lanes - 1) // sharing * sections + sections > 9:
        raise InputError(
            f"{lanes} lanes of {sections} sections need more cameras than a digit can number",
            f"{path}, <FlowcellLayout>",
            _REMEDY,
        )
    return tuple(
        sorted(
            (lane, surface * 10000 + swath * 1000 + camera * 100 + tile)
            for lane in range(1, lanes + 1)
            for camera in range(
                (lane - 1) // sharing * sections + 1, ((lane - 1) // sharing + 1) * sections + 1
            )
            for surface, swath, tile in numbers
        )
    )


def _element(parent: ET.Element, name: str, path: Path) -> ET.Element:
    element = parent.find(name)
    if element is None:
        raise InputError(f"<{parent.tag}> has no <{name}>", str(path), _REMEDY)
    return element


def _text(parent: ET.Element, name: str, path: Path) -> str:
    text = (_element(parent, name, path).text or "").strip()
    if not text:
        raise InputError(f"<{name}> is empty", str(path), _REMEDY)
    return text


def _attribute(element: ET.Element, name: str, path: Path) -> str:
    value = element.get(name, "").strip()
    if not value:
        raise InputError(f"<{element.tag}> has no {name}", str(path), _REMEDY)
    return value


def _run_id(run: ET.Element, path: Path) -> str:
    name = _attribute(run, "Id", path)
    # Files and folders of the lake are called after it, whose names systems limit to 255 bytes.
    if not name.isprintable() or name in (".", "..") or len(quote(name, safe="")) > _LONGEST_NAME:
        raise InputError(
            f"Id={name[:40]!r} of <Run> is no name for a run", str(path), "Give it the name of its folder"
        )
    return name


def _number(element: ET.Element, name: str, path: Path) -> int:
    value = _attribute(element, name, path)
    # Nine digits are more than any count here needs, and fit the columns they are stored in.
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise InputError(f"{name}={value!r} of <{element.tag}> is not a whole number", str(path), _REMEDY)
    return int(value)


def _count(element: ET.Element, name: str, path: Path) -> int:
    value = _number(element, name, path)
    # 10,000 is beyond any instrument's cycles, lanes or tiles; more would be laid out before it is doubted.
    if not 1 <= value <= 10_000:
        raise InputError(f"{name}={value} of <{element.tag}> makes no sense", str(path), _REMEDY)
    return value


def _flag(element: ET.Element, name: str, path: Path) -> bool:
    value = _attribute(element, name, path).upper()
    if value not in ("Y", "N"):
        raise InputError(f"{name}={value!r} of <{element.tag}> is not Y or N", str(path), _REMEDY)
    return value == "Y"
