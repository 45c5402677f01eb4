"""A sample's identifier in text, told apart from others that it is a part of, and the text without it."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

ERASED = "erased"
_FIELDS = re.compile(r"[,;\t]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """How a sample is spelled, and what must not be taken for it.

    Attributes:
        sample: its identifier.
        spellings: as it stands in text, and in paths.
        others: identifiers of other samples of which it is a part.
        pattern, raw: match it, or one of `others`, where neither a letter nor a digit stands beside it; group `own`
            is there only for itself.
    """

    sample: str
    spellings: tuple[str, ...]
    others: tuple[str, ...]
    pattern: re.Pattern[str]
    raw: re.Pattern[bytes]

    def found(self, text: str) -> bool:
        """Whether a text holds it."""
        return any(match["own"] for match in self.pattern.finditer(text))

    def occurrences(self, data: "bytes | memoryview", start: int = 0) -> int:
        """How often bytes hold it, ending after byte `start`."""
        return sum(1 for match in self.raw.finditer(data) if match["own"] and match.end() > start)

    def without(self, text: str) -> str:
        """The text with another word in its place."""
        return self.pattern.sub(lambda match: ERASED if match["own"] else match[0], text)

    def without_bytes(self, data: bytes) -> bytes:
        """The bytes with as many x in its place, so that nothing else moves."""
        return self.raw.sub(lambda match: b"x" * len(match[0]) if match["own"] else match[0], data)

    def without_lines(self, text: str) -> str:
        """A sample sheet or SAM header without the lines that are about this sample, and without its name elsewhere."""
        if not self.found(text):
            return text
        lines = text.splitlines(keepends=True)
        return "".join(self.without(line) for line in lines if not self._is_about(line))

    def _is_about(self, line: str) -> bool:
        fields = [field.strip().strip('"') for field in _FIELDS.split(line.strip())]
        return self.sample in fields or f"SM:{self.sample}" in fields


def identifier(sample: str, known: Iterable[str]) -> Identifier:
    """How to find a sample's identifier.

    Args:
        sample: the identifier.
        known: of every sample that the lake knows, at any snapshot.
    """
    spellings = tuple(dict.fromkeys((sample, quote(sample, safe=""))))
    others = {name for name in known if name != sample and any(each in name for each in spellings)}
    others |= {quote(name, safe="") for name in others}
    longest = tuple(sorted(others, key=lambda name: (-len(name), name)))
    text = _pattern(spellings, longest)
    return Identifier(
        sample=sample,
        spellings=spellings,
        others=longest,
        pattern=re.compile(text, re.ASCII),
        raw=re.compile(text.encode()),
    )


def _pattern(own: tuple[str, ...], others: tuple[str, ...]) -> str:
    # Databases put values end to end, a least and a greatest one above all: one may follow itself at once.
    words = [f"(?P<own>(?:{'|'.join(map(re.escape, own))})+)(?![0-9A-Za-z])"]
    if others:
        words.insert(0, f"(?:{'|'.join(map(re.escape, others))})+")
    return f"(?<![0-9A-Za-z])(?:{'|'.join(words)})"


def redacted(column: pa.ChunkedArray, who: Identifier, *, lines: bool) -> pa.ChunkedArray:
    """A column of text, lists or maps of text without the sample's identifier; the column itself where it is not in it.

    A whole value that is the identifier becomes NULL, as does the one of a map; an element of a list that holds it
    goes.

    Args:
        column: of any type; those without text in them stay.
        who: the sample.
        lines: the text is made of lines, of which those about the sample go.
    """
    if not _may_hold(column, who):
        return column
    kind = column.type
    change = who.without_lines if lines else who.without
    values: list[object] = []
    for value in column.to_pylist(maps_as_pydicts=None):
        if value is None:
            values.append(None)
        elif pa.types.is_map(kind):
            values.append([(key, _plain(each, who, change)) for key, each in value if not who.found(key)])
        elif pa.types.is_list(kind):
            values.append([each for each in value if each is None or not who.found(each)])
        else:
            values.append(_plain(value, who, change))
    return pa.chunked_array([pa.array(values, kind)])


def _plain(value: str | None, who: Identifier, change: Callable[[str], str]) -> str | None:
    if value is None or value == who.sample:
        return None
    return change(value)


def _may_hold(column: pa.ChunkedArray, who: Identifier) -> bool:
    text = column
    if pa.types.is_map(column.type):
        chunks = [each for chunk in column.chunks for each in (chunk.keys, chunk.items)]
        text = pa.chunked_array(chunks, pa.string())
    elif pa.types.is_list(column.type):
        text = pc.list_flatten(column)
    if not pa.types.is_string(text.type):
        return False
    return any(bool(pc.any(pc.match_substring(text, each)).as_py()) for each in who.spellings)
