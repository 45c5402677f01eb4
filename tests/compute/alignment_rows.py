"""Alignment rows for tests: read from SAM or BAM, handed to the duplicate marker, written as SAM text."""

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from baselake.compute.duplicates.reference import Record

KEYS = pa.schema(
    [
        ("template", pa.int64()),
        ("read_group", pa.int32()),
        ("name", pa.string()),
        ("flag", pa.int32()),
        ("contig", pa.string()),
        ("start", pa.int32()),
        ("cigar", pa.string()),
        ("qual", pa.string()),
    ]
)


def key_rows(records: Iterable[Record], libraries: Sequence[str | None]) -> pa.RecordBatch:
    """The rows that `DuplicateMarker.add` takes; each library is a read group of its own."""
    rows = [
        {name: getattr(record, name) for name in KEYS.names if name != "read_group"}
        | {"read_group": libraries.index(record.library)}
        for record in records
    ]
    return pa.RecordBatch.from_pylist(rows, KEYS)


def records_of(alignments: Path) -> list[Record]:
    """The records of a SAM or BAM file grouped by name; templates are numbered as they come."""
    import pysam

    records: list[Record] = []
    numbers: dict[str, int] = {}
    with pysam.AlignmentFile(str(alignments), check_sq=False) as file:
        libraries = {group["ID"]: group.get("LB") for group in file.header.to_dict().get("RG", [])}
        for read in file:
            text = read.to_string().split("\t")
            records.append(
                Record(
                    template=numbers.setdefault(text[0], len(numbers)),
                    library=libraries[read.get_tag("RG")] if read.has_tag("RG") else None,
                    name=text[0],
                    flag=read.flag & ~0x400,
                    contig=None if text[2] == "*" else text[2],
                    start=None if text[3] == "0" else int(text[3]) - 1,
                    cigar=None if text[5] == "*" else text[5],
                    qual=None if text[10] == "*" else text[10],
                )
            )
    return records


def sam_line(row: dict[str, object]) -> str:
    """A row of `alignments` as a line of SAM."""
    place = [row["contig"] or "*", 0 if row["start"] is None else int(str(row["start"])) + 1]
    mate = [row["next_contig"] or "*", 0 if row["next_start"] is None else int(str(row["next_start"])) + 1]
    fields = [row["name"], row["flag"], *place, row["mapq"], row["cigar"] or "*", *mate, row["tlen"]]
    tags = [f"{tag}:{kind}:{value}" for tag, kind, value in tags_of(row["tags"])]
    return "\t".join(
        map(str, [*fields, row["seq"] or "*", row["qual"] or "*", f"RG:Z:{row['read_group_id']}", *tags])
    )


def tags_of(raw: object) -> list[tuple[str, str, object]]:
    """BAM auxiliary bytes as (tag, SAM type, value); strings and integers only."""
    assert raw is None or isinstance(raw, bytes)
    found: list[tuple[str, str, object]] = []
    rest = raw or b""
    while rest:
        tag, kind, rest = rest[:2].decode(), chr(rest[2]), rest[3:]
        if kind in "ZH":
            text, _, rest = rest.partition(b"\0")
            found.append((tag, kind, text.decode()))
        elif kind == "A":
            found.append((tag, kind, chr(rest[0])))
            rest = rest[1:]
        else:
            layout = {"c": "<b", "C": "<B", "s": "<h", "S": "<H", "i": "<i", "I": "<I"}[kind]
            found.append((tag, "i", *struct.unpack_from(layout, rest)))
            rest = rest[struct.calcsize(layout) :]
    return found


def libraries_of(records: Iterable[Record]) -> tuple[list[str | None], np.ndarray]:
    """The libraries of records, and their numbers by read group as `DuplicateMarker.add` takes them."""
    libraries = list(dict.fromkeys(record.library for record in records))
    return libraries, np.arange(len(libraries), dtype=np.int32)
