"""The header of a VCF or BCF file: what its keys, contigs and samples are. VCF 4.3, section 1.4."""

import re
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from baselake.errors import InputError

_COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_VERSION = re.compile(r"VCFv4\.[0-5]")
_FIELD = re.compile(r'([A-Za-z0-9_.-]+)=("(?:[^"\\]|\\.)*"|[^",]*)(?:,|$)')
_TYPES = ("Integer", "Float", "Flag", "Character", "String")
# How many values a key has: of each alternate, each allele, each genotype, any number. `record.h` has the same.
_NUMBERS: Mapping[str, int] = MappingProxyType({"A": -1, "R": -2, "G": -3, ".": -4})

# What the specification says of reserved keys, for files that use them without saying so (VCF 4.3, tables 1 and 2).
_RESERVED_INFO: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "AC": ("Integer", "A"),
        "AF": ("Float", "A"),
        "AN": ("Integer", "1"),
        "BQ": ("Float", "1"),
        "DB": ("Flag", "0"),
        "DP": ("Integer", "1"),
        "END": ("Integer", "1"),
        "H2": ("Flag", "0"),
        "H3": ("Flag", "0"),
        "MQ": ("Float", "1"),
        "MQ0": ("Integer", "1"),
        "NS": ("Integer", "1"),
        "SOMATIC": ("Flag", "0"),
        "VALIDATED": ("Flag", "0"),
        "1000G": ("Flag", "0"),
    }
)
_RESERVED_FORMAT: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "AD": ("Integer", "R"),
        "DP": ("Integer", "1"),
        "GL": ("Float", "G"),
        "GQ": ("Integer", "1"),
        "GT": ("String", "1"),
        "PL": ("Integer", "G"),
        "PS": ("Integer", "1"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """How a key of INFO or FORMAT is declared.

    Attributes:
        type: Integer, Float, Flag, Character or String.
        number: of its values; -1: one for each alternate, -2 allele, -3 genotype, -4: any.
        reserved: the specification says it too, so that values have to be of that type and number.
    """

    type: str
    number: int
    reserved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a header says.

    Attributes:
        lines: those that begin with `##`, as they came.
        samples: in the order of the columns.
        has_format: there is a column FORMAT, with or without samples.
        info, format: declared and reserved keys.
        contigs: declared contigs in order, with their length where it is told.
        strings: of BCF, what a FILTER, INFO or FORMAT number means.
    """

    lines: tuple[str, ...]
    samples: tuple[str, ...]
    has_format: bool
    info: Mapping[str, Key]
    format: Mapping[str, Key]
    contigs: Mapping[str, int | None]
    strings: tuple[str, ...]


def parse_header(lines: Iterable[str], where: str) -> Header:
    """Read a header.

    Args:
        lines: all of it, the line of column names last, without line ends.
        where: the file, for messages.

    Raises:
        InputError: it is none; the message names the line.
    """
    kept = list(lines)
    if not kept or not kept[0].startswith("##fileformat="):
        raise _wrong("the first line is not ##fileformat=VCFv4.x", where, 1)
    if not _VERSION.fullmatch(kept[0].removeprefix("##fileformat=").strip()):
        raise _wrong(f"{kept[0]} is not a version that is read (VCFv4.0 to VCFv4.5)", where, 1)
    keys: dict[str, dict[str, Key]] = {"INFO": {}, "FORMAT": {}}
    contigs: dict[str, int | None] = {}
    filters: set[str] = set()
    strings = {0: "PASS"}
    named = {"PASS": 0}
    for number, line in enumerate(kept[1:-1], 2):
        if not re.match(r"##[^=\s]", line) or "=" not in line:
            raise _wrong(f"not a line of a VCF header: {line[:60]!r}", where, number)
        kind, _, value = line[2:].partition("=")
        if kind not in ("INFO", "FORMAT", "FILTER", "contig", "ALT", "SAMPLE", "PEDIGREE"):
            continue
        fields = _fields(value, kind, where, number)
        if kind == "PEDIGREE":
            continue
        name = fields.get("ID")
        if not name:
            raise _wrong(f"##{kind} has no ID", where, number)
        if kind in keys:
            if name in keys[kind]:
                raise _wrong(f"##{kind} {name} stands twice", where, number)
            keys[kind][name] = _key(fields, kind, where, number)
        elif kind == "contig":
            contigs.setdefault(name, _length(fields, where, number))
        elif kind == "FILTER":
            if name in filters:
                raise _wrong(f"##FILTER {name} stands twice", where, number)
            filters.add(name)
        if kind in ("INFO", "FORMAT", "FILTER", "ALT") and 'Description="' not in value:
            raise _wrong(f"##{kind} {name} has no Description in quotes", where, number)
        if re.search(r"[\s<>]", name):
            raise _wrong(f"##{kind} has the ID {name!r}", where, number)
        if kind in ("INFO", "FORMAT", "FILTER"):
            # BCF2's dictionary: by IDX, else in the order of first use (VCF 4.3, section 6.2.1).
            index = int(fields["IDX"]) if fields.get("IDX", "").isdigit() else named.get(name, len(strings))
            named[name] = index
            strings[index] = name
    columns = kept[-1].split("\t")
    if tuple(columns[:8]) != _COLUMNS or (len(columns) > 8 and columns[8] != "FORMAT"):
        raise _wrong(
            "the line of column names is not #CHROM POS ID REF ALT QUAL FILTER INFO", where, len(kept)
        )
    samples = columns[9:]
    twice = next((name for name, times in Counter(samples).items() if times > 1), None)
    if twice is not None or "" in samples:
        raise _wrong(f"sample {twice!r} stands twice" if twice else "a sample has no name", where, len(kept))
    return Header(
        lines=tuple(kept[:-1]),
        samples=tuple(samples),
        has_format=len(columns) > 8,
        info=_reserved(_RESERVED_INFO) | keys["INFO"],
        format=_reserved(_RESERVED_FORMAT) | keys["FORMAT"],
        contigs=contigs,
        strings=tuple(strings.get(i, "") for i in range(max(strings) + 1)),
    )


def bcf_header_bytes(start: bytes) -> int | None:
    """Where the header of a BCF file ends, from its first bytes; None: they are too few to tell."""
    if len(start) < 9:
        return None
    (length,) = struct.unpack_from("<I", start, 5)
    return 9 + int(length)


def _reserved(keys: Mapping[str, tuple[str, str]]) -> dict[str, Key]:
    return {
        # Where the file does not say so, what cannot be spelled another way is typed, and floats stay text.
        name: Key(
            type="String" if kind == "Float" else kind,
            number=_NUMBERS[number] if number in _NUMBERS else int(number),
            reserved=True,
        )
        for name, (kind, number) in keys.items()
    }


def _fields(value: str, kind: str, where: str, number: int) -> dict[str, str]:
    if not (value.startswith("<") and value.endswith(">")):
        raise _wrong(f"##{kind} is not <key=value,...>", where, number)
    inner, fields, at = value[1:-1], {}, 0
    while at < len(inner):
        match = _FIELD.match(inner, at)
        if match is None:
            raise _wrong(f"##{kind} is not <key=value,...>: {inner[at : at + 30]!r}", where, number)
        if match[1] in fields:
            raise _wrong(f"##{kind} has {match[1]} twice", where, number)
        fields[match[1]] = match[2][1:-1] if match[2].startswith('"') else match[2]
        at = match.end()
    return fields


def _key(fields: Mapping[str, str], kind: str, where: str, number: int) -> Key:
    name = fields["ID"]
    for wanted in ("Number", "Type"):
        if wanted not in fields:
            raise _wrong(f"##{kind} {name} has no {wanted}", where, number)
    count, type_ = fields["Number"], fields["Type"]
    if type_ not in _TYPES or (kind == "FORMAT" and type_ == "Flag"):
        raise _wrong(f"##{kind} {name} has the type {type_!r}", where, number)
    if count not in _NUMBERS and not re.fullmatch(r"\d+", count):
        raise _wrong(f"##{kind} {name} has the number {count!r}", where, number)
    said = _NUMBERS[count] if count in _NUMBERS else int(count)
    known = (_RESERVED_INFO if kind == "INFO" else _RESERVED_FORMAT).get(name)
    return Key(type=type_, number=said, reserved=known is not None)


def _length(fields: Mapping[str, str], where: str, number: int) -> int | None:
    text = fields.get("length")
    if text is None:
        return None
    if not re.fullmatch(r"\d+", text):
        raise _wrong(f"##contig {fields['ID']} has the length {text!r}", where, number)
    return int(text)


def _wrong(what: str, where: str, line: int) -> InputError:
    return InputError(what, f"{where}, line {line}", "Correct the header: bcftools reheader")
