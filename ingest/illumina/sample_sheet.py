"""SampleSheet.csv, versions 1 and 2: which indexes are whose, and how reads are to be treated.

Version 1 (bcl2fastq, MiSeq) has sections [Header], [Reads], [Settings] and [Data]; version 2 (BCL Convert) has
[BCLConvert_Settings] and [BCLConvert_Data], beside those of other applications, which are left alone. Sheets that
say FileFormatVersion 2 and have [Settings] and [Data] exist and are read. As BCL Convert has it, a setting that is
not known is a warning in [Settings] and an error in [BCLConvert_Settings].

Sheets are written by hand and by spreadsheets: a byte order mark, any line ends, commas without values, empty
lines, quotes, Latin-1 and any case of names are taken as they come. What could mean two things is refused.
"""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from baselake.errors import InputError, NotFoundError
from baselake.ingest.illumina.sheet_settings import (
    SheetSettings,
    parse_adapters,
    parse_behavior,
    parse_mismatches,
    parse_settings,
    parse_stringency,
)

Parsed = TypeVar("Parsed")

_SECTION = re.compile(r"\[(?P<name>[^\]]*)\]")
# What sheets write where a sample has no such index or setting; not a sequence, so never one by mistake.
_ABSENT = frozenset({"", "na", "n/a"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetSample:
    """A row of the samples' section.

    Attributes:
        line: of the sheet, 1-based.
        lane: None: every lane.
        sample_id: Sample_ID.
        sample_name: Sample_Name, or empty.
        project: Sample_Project, or empty.
        description: Description, or empty.
        index1: column index, in upper case; empty: none.
        index2: column index2, likewise.
        override_cycles: this sample's own, None: the sheet's.
        mismatches1: this sample's own BarcodeMismatchesIndex1, None: the sheet's.
        mismatches2: this sample's own BarcodeMismatchesIndex2, None: the sheet's.
        adapters1: this sample's own AdapterRead1, None: the sheet's.
        adapters2: this sample's own AdapterRead2, None: the sheet's.
        adapter_behavior: this sample's own, None: the sheet's.
        adapter_stringency: this sample's own, None: the sheet's.
    """

    line: int
    lane: int | None
    sample_id: str
    sample_name: str
    project: str
    description: str
    index1: str
    index2: str
    override_cycles: str | None
    mismatches1: int | None
    mismatches2: int | None
    adapters1: tuple[str, ...] | None
    adapters2: tuple[str, ...] | None
    adapter_behavior: str | None
    adapter_stringency: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSheet:
    """A sheet.

    Attributes:
        path: where it was read.
        version: 1 or 2.
        header: [Header], keys as written.
        settings: the settings for all samples.
        samples: in the order of the sheet.
        warnings: what was read over, one sentence each.
        digest: SHA-256 of the file, hexadecimal.
        text: the file.
    """

    path: Path
    version: int
    header: tuple[tuple[str, str], ...]
    settings: SheetSettings
    samples: tuple[SheetSample, ...]
    warnings: tuple[str, ...]
    digest: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """The rows of a section that are not empty, each with its line."""

    name: str
    line: int
    rows: list[tuple[int, list[str]]]


def read_sample_sheet(path: Path) -> SampleSheet:
    """Read a sample sheet.

    Raises:
        NotFoundError: there is no such file.
        InputError: it is not a sample sheet, or something in it makes no sense; line and column are named.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError("no such file", str(path), "Give the sample sheet's path") from error
    return parse_sample_sheet(data, path)


def parse_sample_sheet(data: bytes, path: Path) -> SampleSheet:
    """Read a sample sheet's bytes; `path` is where they are from. Raises as `read_sample_sheet` does."""
    text = _decode(data, path)
    sections = _sections(text, path)
    header = tuple(
        (row[0], row[1] if len(row) > 1 else "") for _, row in _rows_of(sections, "header") if row[0]
    )
    # A sheet of both kinds is BCL Convert's: [Data] is then another program's.
    prefix = "bclconvert_" if "bclconvert_data" in sections or "bclconvert_settings" in sections else ""
    table = sections.get(f"{prefix}data")
    if table is None:
        raise InputError(
            f"the sheet has no [{'BCLConvert_Data' if prefix else 'Data'}] section",
            str(path),
            "List the samples in [BCLConvert_Data], or in [Data] of a version 1 sheet",
        )
    settings, warnings = parse_settings(
        _rows_of(sections, f"{prefix}settings"), strict=bool(prefix), path=path
    )
    samples = _samples(table, settings, path)
    return SampleSheet(
        path=path,
        version=_version(header, prefix, path),
        header=header,
        settings=settings,
        samples=samples,
        warnings=warnings,
        digest=hashlib.sha256(data).hexdigest(),
        text=text,
    )


def _decode(data: bytes, path: Path) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise InputError(
                f"not text: byte {error.start} is not UTF-16", str(path), "Save the sheet as CSV"
            ) from error
    if (zero := data.find(b"\0")) >= 0:
        raise InputError(
            f"not text: byte {zero} is zero", str(path), "Save the sheet as CSV, or copy it again"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Spreadsheets of western Windows; every byte is a character, and only names have any beyond ASCII.
        return data.decode("latin-1")


def _sections(text: str, path: Path) -> dict[str, _Section]:
    """Sections by name in lower case."""
    sections: dict[str, _Section] = {}
    current: _Section | None = None
    for line, row in _rows(text, path):
        match = _SECTION.fullmatch(row[0])
        if match is not None and not any(row[1:]):
            name = match["name"].strip()
            if (earlier := sections.get(name.lower())) is not None:
                raise InputError(
                    f"the section [{name}] is in lines {earlier.line} and {line}",
                    f"{path}, line {line}",
                    "Keep one",
                )
            current = sections[name.lower()] = _Section(name=name, line=line, rows=[])
        elif current is None:
            _refuse_delimiter(row[0], f"{path}, line {line}")
            raise InputError(
                f"{row[0]!r} stands before the first section", f"{path}, line {line}", "Begin with [Header]"
            )
        else:
            current.rows.append((line, row))
    return sections


def _refuse_delimiter(cell: str, where: str) -> None:
    """Refuse a first cell that holds a whole row, for what separates its cells is no comma."""
    for delimiter, spelling in ((";", "semicolons"), ("\t", "tabs")):
        if delimiter in cell:
            raise InputError(f"the cells are separated by {spelling}", where, "Save the sheet with commas")


def _rows(text: str, path: Path) -> list[tuple[int, list[str]]]:
    """Rows that are not empty, cells stripped, each with the line it starts in."""
    rows = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"not CSV: {error}", f"{path}, line {line}", "Check the quotes; save the sheet as CSV"
        ) from error
    return rows


def _rows_of(sections: dict[str, _Section], name: str) -> list[tuple[int, list[str]]]:
    return sections[name].rows if name in sections else []


def _version(header: Sequence[tuple[str, str]], prefix: str, path: Path) -> int:
    for key, value in header:
        if key.lower() == "fileformatversion":
            if value != "2":
                raise InputError(f"FileFormatVersion is {value!r}", f"{path}, [Header]", "Only 2 is known")
            return 2
    return 2 if prefix else 1


def _samples(table: _Section, settings: SheetSettings, path: Path) -> tuple[SheetSample, ...]:
    if len(table.rows) < 2:
        raise InputError(
            f"[{table.name}] lists no samples",
            f"{path}, line {table.line}",
            "Write the columns' names in a line, and each sample in one of the next",
        )
    (line, header), *rows = table.rows
    columns: dict[str, int] = {}
    for place, name in enumerate(header):
        key = _key(name)
        if not key:
            continue
        if key in columns and key in _COLUMNS:
            raise InputError(f"the column {name} is there twice", f"{path}, line {line}", "Keep one")
        columns[key] = place
    if "sampleid" not in columns:
        _refuse_delimiter(header[0], f"{path}, line {line}")
        raise InputError(
            f"[{table.name}] has no column Sample_ID",
            f"{path}, line {line}",
            "Name the columns in its first line",
        )
    samples = [_sample(line, row, header, columns, path) for line, row in rows]
    _refuse_double_settings(samples, settings, path)
    if len({sample.lane is None for sample in samples}) > 1:
        empty = next(sample for sample in samples if sample.lane is None)
        raise InputError(
            f"{empty.sample_id} has no lane, other samples have",
            f"{path}, line {empty.line}, column Lane",
            "Give every sample a lane, or none",
        )
    seen: dict[tuple[int | None, str, str, str], int] = {}
    for sample in samples:
        key_of = sample.lane, sample.sample_id, sample.index1, sample.index2
        if key_of in seen:
            raise InputError(
                f"{sample.sample_id} is there already with the same lane and index, in line {seen[key_of]}",
                f"{path}, line {sample.line}",
                "Keep one",
            )
        seen[key_of] = sample.line
    return tuple(samples)


def _sample(
    line: int, cells: list[str], header: list[str], columns: dict[str, int], path: Path
) -> SheetSample:
    if any(cells[len(header) :]):
        # Usually a comma in a name that should have been in quotes: every later cell is then another column's.
        raise InputError(
            f"{len(cells)} cells in {len(header)} columns",
            f"{path}, line {line}",
            "Put cells that contain a comma in double quotes",
        )

    def cell(key: str) -> str:
        place = columns.get(key)
        return cells[place] if place is not None and place < len(cells) else ""

    def where(key: str) -> str:
        return f"{path}, line {line}, column {header[columns[key]]}"

    def own(key: str, parse: Callable[[str, str], Parsed]) -> Parsed | None:
        value = cell(key)
        return None if value.lower() in _ABSENT else parse(value, where(key))

    for key in ("sampleid", "samplename", "sampleproject"):
        if not cell(key).isprintable():
            raise InputError(
                f"{cell(key)!r} has characters that cannot be printed", where(key), "Type the name again"
            )
    if not cell("sampleid"):
        raise InputError("the sample has no Sample_ID", where("sampleid"), "Give every sample one")
    return SheetSample(
        line=line,
        lane=own("lane", _parse_lane),
        sample_id=cell("sampleid"),
        sample_name=cell("samplename"),
        project=cell("sampleproject"),
        description=cell("description"),
        index1=own("index", _parse_index) or "",
        index2=own("index2", _parse_index) or "",
        override_cycles=own("overridecycles", lambda text, _: text),
        mismatches1=own("barcodemismatchesindex1", parse_mismatches),
        mismatches2=own("barcodemismatchesindex2", parse_mismatches),
        adapters1=own("adapterread1", parse_adapters),
        adapters2=own("adapterread2", parse_adapters),
        adapter_behavior=own("adapterbehavior", parse_behavior),
        adapter_stringency=own("adapterstringency", parse_stringency),
    )


def _parse_lane(text: str, where: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]?", text):
        raise InputError(f"the lane {text!r} is not a number", where, "Write one lane, counted from 1")
    return int(text)


def _parse_index(text: str, where: str) -> str:
    wrong = re.search("[^ACGT]", text, re.IGNORECASE)
    if wrong is not None:
        remedy = (
            "Leave out what is masked by N in OverrideCycles"
            if wrong[0] in "Nn"
            else "Write the index's bases, not its name"
        )
        raise InputError(f"the index {text!r} has the letter {wrong[0]!r}", where, remedy)
    return text.upper()


def _refuse_double_settings(samples: Sequence[SheetSample], settings: SheetSettings, path: Path) -> None:
    for field, name in _OWN_SETTINGS.items():
        if getattr(settings, field) is None:
            continue
        for sample in samples:
            if getattr(sample, field) is not None:
                raise InputError(
                    f"{name} is set for all samples, and for {sample.sample_id}",
                    f"{path}, line {sample.line}, column {name}",
                    "Set it in one place",
                )


def _key(name: str) -> str:
    """A column's name as it is compared: Sample_ID, SampleID and sample id are one."""
    return re.sub(r"[ _]", "", name).lower()


# What a sheet can set for all samples or for each: fields of SheetSample and SheetSettings, and their names.
_OWN_SETTINGS = {
    "override_cycles": "OverrideCycles",
    "mismatches1": "BarcodeMismatchesIndex1",
    "mismatches2": "BarcodeMismatchesIndex2",
    "adapters1": "AdapterRead1",
    "adapters2": "AdapterRead2",
    "adapter_behavior": "AdapterBehavior",
    "adapter_stringency": "AdapterStringency",
}
_COLUMNS = frozenset(
    _key(name)
    for name in (
        "Lane",
        "Sample_ID",
        "Sample_Name",
        "Sample_Project",
        "Description",
        "index",
        "index2",
        *_OWN_SETTINGS.values(),
    )
)
