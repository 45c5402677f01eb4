"""The slow, obvious duplicate marker: the definition of `baselake.compute.duplicates`, one object at a time."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

_UNMAPPED, _REVERSE, _LAST, _NOT_PRIMARY, _FAILED = 0x4, 0x10, 0x80, 0x900, 0x200
_MIN_QUALITY = 15

End = tuple[str, int, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What duplicate marking looks at in a SAM record.

    Attributes:
        template: number of the template in input order.
        library: of its read group; None: not told.
        name, flag, contig, cigar, qual: as in SAM; None for '*'.
        start: 0-based; None for POS 0.
    """

    template: int
    library: str | None
    name: str
    flag: int
    contig: str | None
    start: int | None
    cigar: str | None
    qual: str | None


@dataclass(frozen=True, slots=True)
class _Template:
    number: int
    library: str | None
    name: str
    ends: tuple[End, ...]
    score: int
    first_read_is_first_end: bool


def mark_duplicates(records: Iterable[Record], optical_distance: int) -> dict[int, str]:
    """The duplicates among templates: number to 'LB' or 'SQ'; templates that are kept are left out."""
    by_template: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        if not record.flag & _NOT_PRIMARY:
            by_template[record.template].append(record)
    templates = [made for group in by_template.values() if (made := _template(group)) is not None]

    sets: dict[tuple[str | None, tuple[End, ...]], list[_Template]] = defaultdict(list)
    ends_of_pairs: set[tuple[str | None, End]] = set()
    for template in templates:
        sets[template.library, template.ends].append(template)
        if len(template.ends) == 2:
            ends_of_pairs.update((template.library, end) for end in template.ends)
    marks: dict[int, str] = {}
    for (library, ends), members in sets.items():
        members.sort(key=lambda member: (-member.score, member.number))
        marks.update(_marks_of_set(members, optical_distance))
        if len(ends) == 1 and (library, ends[0]) in ends_of_pairs:
            marks.setdefault(members[0].number, "LB")
    return marks


def _template(records: list[Record]) -> _Template | None:
    mapped = [record for record in records if not record.flag & _UNMAPPED]
    if not mapped or any(record.flag & _FAILED for record in records):
        return None
    ends = sorted((_end(record), bool(record.flag & _LAST)) for record in mapped)
    return _Template(
        number=mapped[0].template,
        library=mapped[0].library,
        name=mapped[0].name,
        ends=tuple(end for end, _ in ends),
        score=sum(_score(record.qual) for record in mapped),
        first_read_is_first_end=_first_read_first(mapped),
    )


def _first_read_first(mapped: list[Record]) -> bool:
    if len(mapped) == 1:
        return True
    first, last = sorted(mapped, key=lambda record: record.flag & _LAST)
    return _end(first) <= _end(last)


def _end(record: Record) -> End:
    assert record.contig is not None
    assert record.start is not None
    steps = [(int(n), op) for n, op in re.findall(r"(\d+)([MIDNSHP=X])", record.cigar or "")]
    spanned = sum(n for n, op in steps if op in "MDN=X")
    if record.flag & _REVERSE:
        return record.contig, record.start + spanned + _clipped(steps[::-1]) - 1, True
    return record.contig, record.start - _clipped(steps), False


def _clipped(steps: list[tuple[int, str]]) -> int:
    clipped = 0
    for n, op in steps:
        if op not in "SH":
            break
        clipped += n
    return clipped


def _score(qual: str | None) -> int:
    values = (ord(c) - 33 for c in qual or "")
    return sum(value for value in values if value >= _MIN_QUALITY)


def _spot(name: str) -> tuple[str, int, int] | None:
    fields = name.split(":")
    at = {5: 2, 7: 4, 8: 4}.get(len(fields))
    if at is None:
        return None
    x, y = fields[at + 1 : at + 3]
    if not re.fullmatch(r"-?\d{1,9}", x) or not re.fullmatch(r"-?\d{1,9}", y):
        return None
    return ":".join(fields[: at + 1]), int(x), int(y)


def _near(a: _Template, b: _Template, distance: int) -> bool:
    s, t = _spot(a.name), _spot(b.name)
    if s is None or t is None or s[0] != t[0] or a.first_read_is_first_end != b.first_read_is_first_end:
        return False
    return abs(s[1] - t[1]) <= distance and abs(s[2] - t[2]) <= distance


def _marks_of_set(members: list[_Template], distance: int) -> dict[int, str]:
    """Marks of a set, the best first: all but that one, optical where a chain leads to a better one."""
    marks: dict[int, str] = {}
    reached: set[int] = set()
    for i, member in enumerate(members):
        optical = member.number in reached
        if i:
            marks[member.number] = "SQ" if optical else "LB"
        if optical:
            continue
        chain = [member]
        while chain:
            here = chain.pop()
            for other in members[i + 1 :]:
                if other.number not in reached and _near(here, other, distance):
                    reached.add(other.number)
                    chain.append(other)
    return marks
