"""Which FASTQ files belong together: mates, index reads, interleaved files, lanes, and whose sample they are.

Read names decide; file names tell what read names leave open. Every file of a sequencing run starts with the same
cluster, so files that belong together start with the same read name, whatever they are called.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from baselake.errors import InputError, NotFoundError, PairingError
from baselake.ingest.fastq_reader import FileHead, read_head

_EXTENSION = re.compile(r"\.(fastq|fq)(\.(gz|bgz|bgzf))?$", re.IGNORECASE)
# SAMPLE_S1_L001_R1_001, as bcl2fastq and BCL Convert spell it; the lane is absent with --no-lane-splitting.
_BCL2FASTQ = re.compile(r"(?P<sample>.+)_S\d+(_L\d{3})?_[RI]\d_\d{3}")
# R1, R2, I1, I2 as a word of the name is certain, and barcode_1 is Picard's I1; a lone 1 or 2 at the end may also
# be a replicate's number.
_CERTAIN_MATE = re.compile(r"(?<![A-Za-z0-9])(?P<kind>[RrIi]|barcode_)(?P<number>\d)(?![A-Za-z0-9])")
_LIKELY_MATE = re.compile(r"(?<![A-Za-z0-9])(?P<number>[12])$")
# What bcl2fastq calls the reads that no sample's index matches: sample number 0.
_UNDETERMINED = "Undetermined"


@dataclass(frozen=True, slots=True, kw_only=True)
class FastqUnit:
    """Files whose records correspond one to one.

    Attributes:
        sample: the sample; None: undetermined, the sequencer's converter could not tell.
        segments: the file of each segment of a template, as `FastqReader` takes them.
        indexes: files of index reads, at most two.
        barcode: what the instrument calls the barcode that the reads have; None where it does not tell.
        lane: of reads whose names do not tell it.
    """

    sample: str | None
    segments: tuple[Path, ...]
    indexes: tuple[Path, ...] = ()
    barcode: str | None = None
    lane: int | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file once."""
        return tuple(dict.fromkeys((*self.segments, *self.indexes)))

    def segment_of(self, path: Path) -> int | None:
        """1 or 2 where the file holds that segment, None where it is interleaved or holds index reads."""
        numbers = [number for number, segment in enumerate(self.segments, start=1) if segment == path]
        return numbers[0] if len(numbers) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file, what its name says and how it begins.

    Attributes:
        stem: the file's name without extension and mate, equal for files that belong together.
        kind: 'R' reads, 'I' index reads, '' where the name does not say.
        number: 1, 2, ... or 0 where the name does not say.
    """

    path: Path
    stem: str
    kind: str
    number: int
    head: FileHead

    @property
    def first_name(self) -> str:
        return self.head.names[0]

    @property
    def mate(self) -> int:
        """Which segment its reads are: what they say themselves, else the file's name; 0: neither."""
        return self.head.mates[0] or self.number

    @property
    def is_interleaved(self) -> bool:
        names, mates = self.head.names, self.head.mates
        return len(names) == 2 and names[0] == names[1] and mates in ((1, 2), (0, 0))


def is_fastq_name(path: Path) -> bool:
    """True where a file is called as FASTQ files are."""
    return _EXTENSION.search(path.name) is not None


def find_fastq(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Files and the FASTQ files of folders, however deep, in order of their names.

    Raises:
        NotFoundError: there is no such file, or a folder holds none.
        InputError: the same file is given twice.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        files = [path]
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file() and is_fastq_name(file))
            if not files:
                raise NotFoundError(
                    "no FASTQ files in the folder", str(path), "Give the folder that holds them"
                )
        for file in files:
            resolved = file.resolve()
            if not resolved.is_file():
                raise NotFoundError("no such file", str(file), "Check the path")
            if resolved in found:
                raise InputError(f"the same file as {found[resolved]}", str(file), "Give every file once")
            found[resolved] = file
    return tuple(found.values())


def find_units(paths: Sequence[Path], sample: str | None = None) -> tuple[FastqUnit, ...]:
    """Groups files into units, in order of their first files' names.

    Args:
        paths: files, as `find_fastq` returns them.
        sample: the sample of all of them; None takes it from names as bcl2fastq spells them.

    Raises:
        PairingError: files that are mates by name begin with different reads, or a mate is missing.
        InputError: a file is not FASTQ, its role cannot be told, or nothing names its sample.
    """
    files = [_describe(path) for path in paths]
    units: list[FastqUnit] = []
    by_stem: dict[tuple[str, str], list[_File]] = defaultdict(list)
    for file in files:
        by_stem[file.stem, file.first_name].append(file)
    alone: dict[str, list[_File]] = defaultdict(list)
    for group in by_stem.values():
        if len(group) > 1:
            units.append(_unit(group, sample))
        else:
            alone[group[0].first_name].append(group[0])
    for group in alone.values():
        if len(group) == 1:
            _refuse_lone(group[0], files)
        units.append(_unit(group, sample))
    _refuse_same_reads(units, {file.path: file.first_name for file in files})
    named = {_named_sample(unit.segments[0]) for unit in units} - {None}
    if sample is not None and len(named) > 1:
        raise InputError(
            f"the files are of the samples {', '.join(sorted(filter(None, named)))}, not of one",
            str(paths[0]),
            "Leave out --sample, or give one sample's files at a time",
        )
    return tuple(sorted(units, key=lambda unit: str(unit.segments[0])))


def _describe(path: Path) -> _File:
    name = _EXTENSION.sub("", path.name)
    certain = list(_CERTAIN_MATE.finditer(name))
    match = certain[-1] if certain else _LIKELY_MATE.search(name)
    if match is None:
        return _File(path=path, stem=name, kind="", number=0, head=read_head(path))
    return _File(
        path=path,
        stem=name[: match.start()] + "\0" + name[match.end() :],
        kind="" if not certain else "R" if match["kind"] in "Rr" else "I",
        number=int(match["number"]),
        head=read_head(path),
    )


def _unit(group: Sequence[_File], sample: str | None) -> FastqUnit:
    """The unit of files that begin with the same read."""
    reads = [file for file in group if file.kind != "I"]
    indexes = sorted((file for file in group if file.kind == "I"), key=lambda file: file.number)
    places = " and ".join(str(file.path) for file in group)
    if not reads:
        raise PairingError("index reads without the reads they belong to", places, "Give the R1 file as well")
    if len(reads) > 2 or [file.number for file in indexes] not in ([], [1], [1, 2]):
        raise InputError(
            "more files begin with the same read than two of reads and two of indexes",
            places,
            "Give the files of one lane and one sample at a time",
        )
    if len(reads) == 1:
        segments = (reads[0].path,) * (2 if reads[0].is_interleaved else 1)
    else:
        segments = tuple(file.path for file in _in_order(reads, places))
    return FastqUnit(
        sample=_sample(reads[0].path, sample), segments=segments, indexes=tuple(file.path for file in indexes)
    )


def _in_order(reads: Sequence[_File], places: str) -> Sequence[_File]:
    """Two files of mates, first segment first; in the given order where nothing tells."""
    mates = tuple(file.mate for file in reads)
    if mates in ((1, 2), (0, 0), (1, 0), (0, 2)):
        return reads
    if mates in ((2, 1), (2, 0), (0, 1)):
        return reads[::-1]
    raise PairingError(
        f"the files begin with the same read, as its reads {mates[0]} and {mates[1]}",
        places,
        "Give one file of each mate",
    )


def _refuse_lone(file: _File, files: Sequence[_File]) -> None:
    """Raises where a file that begins with a read of its own should have had mates."""
    for other in files:
        same_run = other.stem == file.stem and other.path != file.path
        replicate = file.kind == "" and file.head.mates[0] == other.head.mates[0] != 0
        if same_run and not replicate:
            raise PairingError(
                f"it begins with the read {file.first_name}, {other.path} with {other.first_name}",
                str(file.path),
                "Give mates that are in the same order; import files that are not mates one at a time",
            )
    if file.mate > 1 and not file.is_interleaved and (file.head.mates[0] > 1 or file.kind == "R"):
        raise PairingError(f"read {file.mate} without its read 1", str(file.path), "Give the R1 file as well")


def _refuse_same_reads(units: Sequence[FastqUnit], first_names: Mapping[Path, str]) -> None:
    """Raises where two units of a sample begin with the same read: names must tell a sample's reads apart."""
    begins: dict[tuple[str | None, str], Path] = {}
    for unit in units:
        path = unit.segments[0]
        other = begins.setdefault((unit.sample, first_names[path]), path)
        if other != path:
            raise InputError(
                f"it begins with the same read as {other}, and is not its mate",
                str(path),
                "Leave one of them out, or give each its own sample",
            )


def _named_sample(path: Path) -> str | None:
    match = _BCL2FASTQ.fullmatch(_EXTENSION.sub("", path.name))
    return match["sample"] if match else None


def _sample(path: Path, given: str | None) -> str | None:
    name = given if given is not None else _named_sample(path)
    if name is None:
        raise InputError("nothing names the sample", str(path), "Give it: --sample NAME")
    if not name or not name.isprintable():
        raise InputError(f"{name!r} is not a name for a sample", str(path), "Give another: --sample NAME")
    return None if given is None and name == _UNDETERMINED else name
