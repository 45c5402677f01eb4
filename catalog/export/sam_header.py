"""The SAM header of an export: the one the alignments came with, or one made from what the lake knows."""

from collections.abc import Mapping, Sequence

from baselake.catalog.catalog import Catalog
from baselake.catalog.connection import RELEASE
from baselake.catalog.references import Reference
from baselake.lake.sam_header import HeaderLine, header_line, lines_of, parse_header

# Columns of read_groups that are @RG fields.
_FIELDS = {"library": "LB", "platform": "PL", "platform_unit": "PU", "barcode": "BC"}


def imported_header(catalog: Catalog, sample: str, reference: Reference) -> list[HeaderLine] | None:
    """The header of the files that the sample's alignments were imported from; None where we aligned them.

    Of a file of several samples only this sample's @RG lines are kept. Several files' headers become one: the
    first file's, and what the others have beyond it. @HD says that records are sorted by coordinate.
    """
    rows = catalog.query(
        catalog.statement("alignment_headers"), {"sample": sample, "reference": reference.name}
    ).to_pylist()
    if not rows:
        return None
    merged: list[HeaderLine] = []
    for number, row in enumerate(rows):
        lines = parse_header(row["header"])
        if len(row["sample_ids"]) > 1:
            lines = [line for line in lines if line.kind != "RG" or line.fields.get("SM") == sample]
        merged += _renamed_programs(merged, lines, number) if merged else lines
    return _sorted_by_coordinate(merged)


def made_header(
    catalog: Catalog, sample: str, reference: Reference
) -> tuple[list[HeaderLine], dict[str, str]]:
    """A header for alignments made here, and the @RG ID of each of the sample's read groups."""
    groups = catalog.query(
        "SELECT read_group_id, id, library, platform, platform_unit, barcode, map_entries(attributes) AS attributes"
        " FROM read_groups WHERE sample_id = ? ORDER BY read_group_id",
        [sample],
    ).to_pylist()
    ids = [group["id"] for group in groups]
    named = {
        group["read_group_id"]: group["id"]
        if ids.count(group["id"]) == 1 and group["id"]
        else group["read_group_id"]
        for group in groups
    }
    lines = [header_line("HD", {"VN": "1.6", "SO": "coordinate"})]
    for contig in reference.contigs:
        lines.append(header_line("SQ", {"SN": contig.name, "LN": str(contig.length), "M5": contig.md5}))
    for group in groups:
        fields = {"ID": named[group["read_group_id"]], "SM": sample}
        fields |= {tag: group[column] for column, tag in _FIELDS.items() if group[column]}
        fields |= {
            entry["key"]: entry["value"] for entry in group["attributes"] or [] if entry["key"] not in fields
        }
        lines.append(header_line("RG", fields))
    lines.append(header_line("PG", {"ID": "baselake", "PN": "baselake", "VN": RELEASE}))
    return lines, named


def on_reference(header: Sequence[HeaderLine], reference: Reference) -> list[HeaderLine]:
    """The header with the M5 of the sequences that a CRAM will be encoded against, without UR.

    A file may have been imported on a masked copy of its assembly; a reader of the CRAM has to find that copy.
    """
    md5s = {contig.name: contig.md5 for contig in reference.contigs}
    lines = []
    for line in header:
        if line.kind == "SQ" and line.fields.get("SN") in md5s:
            kept = {tag: value for tag, value in line.fields.items() if tag != "UR"}
            lines.append(header_line("SQ", {**kept, "M5": md5s[line.fields["SN"]]}))
        else:
            lines.append(line)
    return lines


def contigs_of(header: Sequence[HeaderLine]) -> list[tuple[str, int]]:
    """Name and length of every @SQ line."""
    return [(line["SN"], int(line["LN"])) for line in lines_of(header, "SQ")]


def _sorted_by_coordinate(lines: Sequence[HeaderLine]) -> list[HeaderLine]:
    old: Mapping[str, str] = next(iter(lines_of(lines, "HD")), {"VN": "1.6"})
    # GO and SS say more of another order.
    kept = {tag: value for tag, value in old.items() if tag not in ("GO", "SS")}
    head = header_line("HD", {**kept, "SO": "coordinate"})
    return [head, *(line for line in lines if line.kind != "HD")]


def _renamed_programs(
    merged: Sequence[HeaderLine], lines: Sequence[HeaderLine], number: int
) -> list[HeaderLine]:
    """What a further file's header adds; programs whose ID is another program's get the file's number after it."""
    known = {fields["ID"]: fields for fields in lines_of(merged, "PG")}
    renamed = {
        fields["ID"]: f"{fields['ID']}-{number + 1}"
        for fields in lines_of(lines, "PG")
        if known.get(fields["ID"], fields) != fields
    }
    added = []
    for line in lines:
        if line.kind == "PG" and (line.fields["ID"] in renamed or line.fields.get("PP") in renamed):
            changed = {
                tag: renamed.get(line.fields[tag], line.fields[tag])
                for tag in ("ID", "PP")
                if tag in line.fields
            }
            line = header_line("PG", {**line.fields, **changed})
        if line.kind not in ("HD", "SQ") and line not in merged:
            added.append(line)
    return added
