"""The settings of a sample sheet: names and values as BCL Convert and bcl2fastq spell them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from baselake.errors import InputError

MAX_MISMATCHES = 2
# Settings that say how BCL Convert writes FASTQ files or which version of it runs, and others that do not change
# which reads there are and whose they are.
_WITHOUT_EFFECT = frozenset(
    {
        "softwareversion",
        "appversion",
        "fastqcompressionformat",
        "fastqcompressionlevel",
        "generatefastqcmetrics",
        "keepfastq",
        "libraryinputvolume",
        "libraryprepkits",
    }
)
# Settings that do change that, in ways this release does not know: reading over them would give other reads.
_UNSUPPORTED = {
    "overridereads": "Leave it out: RunInfo.xml says how the run was read",
    "index2columnreversecomplement": "Leave it out, and write index2 as BCL Convert takes it for the instrument",
    "excludetiles": "Leave it out",
    "excludetileslanex": "Leave it out",
    "findadapterswithindels": "Set it to false, and trim adapters with indels afterwards",
    "reversecomplement": "Set it to 0, and reverse mate pair reads afterwards",
}
# Names of version 1 sheets for what version 2 calls otherwise; those that mask say so by their names.
_OLD_NAMES = {
    "adapter": "adapterread1",
    "trimadapter": "adapterread1",
    "trimadapterread2": "adapterread2",
    "maskadapter": "adapterread1",
    "maskadapterread2": "adapterread2",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetSettings:
    """The settings for all samples; None where the sheet does not say.

    Attributes:
        override_cycles: OverrideCycles as written.
        mismatches1: BarcodeMismatchesIndex1, 0 to 2.
        mismatches2: BarcodeMismatchesIndex2, 0 to 2.
        adapters1: AdapterRead1, each of them if there are several.
        adapters2: AdapterRead2, likewise.
        adapter_behavior: `trim` or `mask`.
        adapter_stringency: 0.5 to 1.
        minimum_adapter_overlap: 1 to 3 bases.
        minimum_trimmed_read_length: bases.
        mask_short_reads: bases.
        trim_umi: False: the cycles of molecular identifiers stay in the reads as well.
        lane_splitting: False: reads of all lanes go to the same FASTQ files.
        index_fastq: index reads are exported as FASTQ too.
        independent_collision_lanes: lanes in which each index alone must tell samples apart.
    """

    override_cycles: str | None = None
    mismatches1: int | None = None
    mismatches2: int | None = None
    adapters1: tuple[str, ...] | None = None
    adapters2: tuple[str, ...] | None = None
    adapter_behavior: str | None = None
    adapter_stringency: float | None = None
    minimum_adapter_overlap: int | None = None
    minimum_trimmed_read_length: int | None = None
    mask_short_reads: int | None = None
    trim_umi: bool = True
    lane_splitting: bool = True
    index_fastq: bool = False
    independent_collision_lanes: tuple[int, ...] = ()


def parse_settings(
    rows: Sequence[tuple[int, Sequence[str]]], *, strict: bool, path: Path
) -> tuple[SheetSettings, tuple[str, ...]]:
    """The settings of a section, and warnings about what was read over.

    Args:
        rows: (line, cells) of the section.
        strict: a setting that is not known is an error, not a warning.
        path: the sheet, for messages.

    Raises:
        InputError: a value makes no sense, a setting is there twice with two values, or cannot be done.
    """
    warnings: list[str] = []
    given: dict[str, str] = {}
    values: dict[str, object] = {}
    for line, cells in rows:
        name, value = cells[0], cells[1] if len(cells) > 1 else ""
        where = f"{path}, line {line}, {name or 'setting without a name'}"
        key = _OLD_NAMES.get(name.lower(), name.lower())
        if not value or value.lower() == "na":
            continue
        if given.setdefault(key, value) != value:
            raise InputError(f"{name} is {given[key]} and {value}", where, "Keep one of them")
        if key in _FIELDS:
            field, parse = _FIELDS[key]
            values[field] = parse(value, where)
            if name.lower().startswith("mask") and key.startswith("adapter"):
                values["adapter_behavior"] = "mask"
        elif key in _UNSUPPORTED and value.lower() not in ("0", "false", "n"):
            raise InputError(f"{name} {value} is not supported", where, _UNSUPPORTED[key])
        elif key in _UNSUPPORTED or key in _WITHOUT_EFFECT or key.startswith("custom_"):
            continue
        elif strict:
            raise InputError(
                f"there is no setting {name!r}", where, "Correct its name, or take the line out of the sheet"
            )
        else:
            warnings.append(f"{path}, line {line}: the setting {name!r} is not known and has no effect")
    # bcl2fastq: Adapter is looked for in both reads where nothing else is said of the second.
    old = {name.lower() for _, (name, *_) in rows} & {"adapter", "trimadapter", "maskadapter"}
    if old and "adapters2" not in values and "adapters1" in values:
        values["adapters2"] = values["adapters1"]
    return SheetSettings(**values), tuple(warnings)  # type: ignore[arg-type]


def parse_mismatches(text: str, where: str) -> int:
    """Mismatches allowed in an index: 0, 1 or 2."""
    return _whole(text, where, 0, MAX_MISMATCHES)


def parse_adapters(text: str, where: str) -> tuple[str, ...]:
    """One adapter or several with + between them."""
    adapters = tuple(text.upper().split("+"))
    for adapter in adapters:
        if not re.fullmatch("[ACGT]+", adapter):
            raise InputError(
                f"the adapter {adapter!r} has other letters than A, C, G and T",
                where,
                "Write the adapter's bases, and + between several",
            )
    return adapters


def parse_behavior(text: str, where: str) -> str:
    """`trim` or `mask`."""
    if text.lower() not in ("trim", "mask"):
        raise InputError(f"{text!r} is not a way to treat adapters", where, "Write trim or mask")
    return text.lower()


def parse_stringency(text: str, where: str) -> float:
    """The fraction of an adapter's bases that must match."""
    if not re.fullmatch(r"0?\.[0-9]+|[01](\.[0-9]+)?", text) or not 0.5 <= float(text) <= 1:
        raise InputError(f"{text!r} is not a fraction from 0.5 to 1", where, "Write 0.9, or leave it out")
    return float(text)


def _whole(text: str, where: str, low: int, high: int) -> int:
    if not re.fullmatch("[0-9]{1,6}", text) or not low <= int(text) <= high:
        raise InputError(
            f"{text!r} is not a whole number from {low} to {high}", where, "Correct it, or leave it out"
        )
    return int(text)


def _length(text: str, where: str) -> int:
    return _whole(text, where, 0, 999_999)


def _overlap(text: str, where: str) -> int:
    return _whole(text, where, 1, 3)


def _flag(text: str, where: str) -> bool:
    if text.lower() not in ("0", "1", "false", "true"):
        raise InputError(f"{text!r} is neither true nor false", where, "Write 1 or 0")
    return text.lower() in ("1", "true")


def _not(text: str, where: str) -> bool:
    return not _flag(text, where)


def _as_written(text: str, _where: str) -> str:
    return text


def _lanes(text: str, where: str) -> tuple[int, ...]:
    return tuple(_whole(lane.strip(), where, 1, 99) for lane in re.split("[;+]", text))


# By name in lower case: the field and how its value is read.
_FIELDS: dict[str, tuple[str, Callable[[str, str], object]]] = {
    "overridecycles": ("override_cycles", _as_written),
    "barcodemismatchesindex1": ("mismatches1", parse_mismatches),
    "barcodemismatchesindex2": ("mismatches2", parse_mismatches),
    "adapterread1": ("adapters1", parse_adapters),
    "adapterread2": ("adapters2", parse_adapters),
    "adapterbehavior": ("adapter_behavior", parse_behavior),
    "adapterstringency": ("adapter_stringency", parse_stringency),
    "minimumadapteroverlap": ("minimum_adapter_overlap", _overlap),
    "minimumtrimmedreadlength": ("minimum_trimmed_read_length", _length),
    "maskshortreads": ("mask_short_reads", _length),
    "trimumi": ("trim_umi", _flag),
    "nolanesplitting": ("lane_splitting", _not),
    "createfastqforindexreads": ("index_fastq", _flag),
    "independentindexcollisioncheck": ("independent_collision_lanes", _lanes),
}
