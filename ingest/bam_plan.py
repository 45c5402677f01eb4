"""What is known of SAM, BAM and CRAM files before their records are read: samples, read groups, assembly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from baselake.catalog.catalog import Catalog
from baselake.catalog.references import Reference
from baselake.errors import InputError
from baselake.ingest.compressed import file_source_id
from baselake.ingest.run_source import RunDescription
from baselake.ingest.sam_reference import Match, match_reference
from baselake.ingest.sam_stream import BamHeader, Format, detect_format, read_header
from baselake.ingest.samples import NoSample
from baselake.lake.sam_header import lines_of, parse_header

# @RG fields that have a column of their own in read_groups.
_COLUMNS = {"LB": "library", "BC": "barcode", "PL": "platform", "PU": "platform_unit"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadGroup:
    """One read group as the lake will know it.

    Attributes:
        read_group_id: unique in the lake.
        id: @RG ID in the file; None for the reads of a file that name no read group of its header.
        sample_id: the sample its reads are of; None: undetermined.
        library, barcode, platform, platform_unit: LB, BC, PL, PU; None where the header does not say.
        attributes: every other field of the @RG line.
    """

    read_group_id: str
    id: str | None
    sample_id: str | None
    library: str | None
    barcode: str | None
    platform: str | None
    platform_unit: str | None
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file to import.

    Attributes:
        path: the file.
        form: its format.
        source_id: SHA-256 of its bytes, hexadecimal.
        header: its header.
        groups: its read groups, in the header's order.
        rest: the read group of records that name none of `groups`.
        match: the assembly its alignments are on.
        run: the sequencer's run it is of; None: as read names tell.
    """

    path: Path
    form: Format
    source_id: str
    header: BamHeader
    groups: tuple[ReadGroup, ...]
    rest: ReadGroup
    match: Match
    run: RunDescription | None = None

    @property
    def samples(self) -> list[str]:
        """Samples of the header's read groups; of a file without any, that of all its records."""
        named = {group.sample_id for group in self.groups} or {self.rest.sample_id}
        return sorted(sample for sample in named if sample is not None)

    @property
    def run_id(self) -> str:
        """The run of reads whose names tell none; of all reads, where the run is known."""
        return self.run.run_id if self.run is not None else _import_id(self.source_id)


def plan_source(
    catalog: Catalog,
    path: Path,
    *,
    sample: str | NoSample | None,
    library: str | None,
    references: Sequence[Reference],
    chosen: str | None,
    run: RunDescription | None = None,
) -> Source:
    """Read a file's header and decide what its records belong to.

    Reads are of the sample that their @RG line names in SM. A sample given by the user takes the place of the one
    sample that the header names. Reads without a read group of the header are of that sample, too, or where there
    is none, of a sample named as the file. What the header does not say of the platform, the run does.

    Raises:
        NotFoundError: no such file.
        InputError: the file is not SAM, BAM or CRAM, several samples were to become one, or a CRAM's assembly is not
            registered.
    """
    form = detect_format(path)
    if form is None:
        raise InputError("it is not SAM, BAM or CRAM", str(path), "Give a file of one of these formats")
    header = read_header(path, form)
    source_id = file_source_id(path)
    lines = [line for line in lines_of(parse_header(header.text), "RG") if line.get("ID")]
    named = sorted({line["SM"] for line in lines if line.get("SM")})
    if isinstance(sample, str) and len(named) > 1:
        raise InputError(
            f"it holds samples {', '.join(named)}, which --sample {sample} would make one",
            str(path),
            "Leave --sample out: each read goes to the sample of its read group",
        )
    default = sample or (named[0] if len(named) == 1 else path.name.partition(".")[0])
    unique = {line["ID"]: line for line in lines}
    groups = [
        _read_group(line, sample or line.get("SM") or default, library, run) for line in unique.values()
    ]
    match = match_reference(header, references, chosen, str(path))
    if form == "cram" and header.contigs and match.error is not None:
        raise match.error
    return Source(
        path=path,
        form=form,
        source_id=source_id,
        header=header,
        groups=tuple(_named_apart(catalog, group, source_id) for group in groups),
        rest=ReadGroup(
            read_group_id=f"{_owner(default)}.{run.run_id if run is not None else _import_id(source_id)}",
            id=None,
            sample_id=_sample_id(default),
            library=library,
            barcode=None,
            platform=run.platform if run is not None else None,
            platform_unit=None,
            attributes={},
        ),
        match=match,
        run=run,
    )


def require_compatible(sources: Sequence[Source]) -> None:
    """Check that files imported together, and of one sample, can be told apart and merged.

    Raises:
        InputError: they are on several assemblies, or their headers contradict each other.
    """
    references = {source.match.reference.name for source in sources if source.match.reference is not None}
    if len(references) > 1:
        raise InputError(
            f"the files are on references {' and '.join(sorted(references))}",
            ", ".join(source.path.name for source in sources),
            "Import the files of each reference by themselves",
        )
    seen: dict[str, tuple[ReadGroup, Source]] = {}
    for source in sources:
        for group in source.groups:
            other, first = seen.setdefault(group.read_group_id, (group, source))
            if other != group:
                raise InputError(
                    f"@RG ID {group.id} is another read group than in {first.path.name}",
                    str(source.path),
                    "Give read groups of one sample different IDs with samtools addreplacerg",
                )


def by_sample(sources: Sequence[Source]) -> list[list[Source]]:
    """Files in sets: those that share a sample have to be sorted together.

    Raises:
        InputError: files of one sample have different @SQ lines.
    """
    sets: list[list[Source]] = []
    for source in sources:
        shared = [
            other for other in sets if any(set(source.samples) & set(member.samples) for member in other)
        ]
        merged = [member for other in shared for member in other] + [source]
        sets = [other for other in sets if other not in shared] + [merged]
        if merged[0].header.contigs != source.header.contigs:
            raise InputError(
                f"its @SQ lines are not those of {merged[0].path.name}, which is of the same sample",
                str(source.path),
                "Merge the files with samtools merge first",
            )
    return sets


def _import_id(source_id: str) -> str:
    return f"import-{source_id[:12]}"


def _sample_id(sample: str | NoSample) -> str | None:
    return sample if isinstance(sample, str) else None


def _owner(sample: str | NoSample) -> str:
    """What names of read groups begin with."""
    return sample if isinstance(sample, str) else "Undetermined"


def _read_group(
    line: Mapping[str, str], sample: str | NoSample, library: str | None, run: RunDescription | None
) -> ReadGroup:
    columns = {name: line.get(tag) for tag, name in _COLUMNS.items()}
    kept = {tag: value for tag, value in line.items() if tag not in ("ID", *_COLUMNS)}
    if kept.get("SM") == sample:
        del kept["SM"]
    return ReadGroup(
        read_group_id=f"{_owner(sample)}.{line['ID']}",
        id=line["ID"],
        sample_id=_sample_id(sample),
        library=library or columns["library"],
        barcode=columns["barcode"],
        platform=columns["platform"] or (run.platform if run is not None else None),
        platform_unit=columns["platform_unit"],
        attributes=kept,
    )


def _named_apart(catalog: Catalog, group: ReadGroup, source_id: str) -> ReadGroup:
    """The group, under another identifier where the lake has a different one of that name."""
    rows = catalog.query(
        "SELECT id, sample_id, library, barcode, platform, platform_unit, map_entries(attributes) AS attributes"
        " FROM read_groups WHERE read_group_id = ?",
        [group.read_group_id],
    ).to_pylist()
    for row in rows:
        attributes = {entry["key"]: entry["value"] for entry in row.pop("attributes") or []}
        known = ReadGroup(read_group_id=group.read_group_id, attributes=attributes, **row)
        if known != group:
            return replace(group, read_group_id=f"{group.read_group_id}.{source_id[:8]}")
    return group
