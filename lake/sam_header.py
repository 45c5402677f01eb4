"""The text header of SAM: read for what tables need, kept verbatim for the way out. SAMv1, section 1.3."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderLine:
    """One header line.

    Attributes:
        kind: `HD`, `SQ`, `RG`, `PG` or `CO`, without '@'.
        fields: tag to value, in order; empty for `CO`.
        text: the line, verbatim.
    """

    kind: str
    fields: Mapping[str, str]
    text: str


def header_line(kind: str, fields: Mapping[str, str]) -> HeaderLine:
    """A line made from its fields."""
    text = "\t".join((f"@{kind}", *(f"{tag}:{value}" for tag, value in fields.items())))
    return HeaderLine(kind=kind, fields=fields, text=text)


def parse_header(text: str) -> list[HeaderLine]:
    """The lines of a header, in order."""
    lines = []
    for line in text.split("\n"):
        kind, *fields = line.rstrip("\r").split("\t")
        if not kind.startswith("@"):
            continue
        pairs = [] if kind == "@CO" else [field.partition(":") for field in fields]
        lines.append(HeaderLine(kind=kind[1:], fields={tag: value for tag, _, value in pairs}, text=line))
    return lines


def lines_of(header: Sequence[HeaderLine], kind: str) -> list[Mapping[str, str]]:
    """The fields of every line of a kind, in order."""
    return [line.fields for line in header if line.kind == kind]
