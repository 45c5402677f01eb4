"""PacBio: one folder per SMRT Cell, of Revio and Vega (`hifi_reads/`) or Sequel II (files side by side).

Layout: pacbiofileformats.readthedocs.io, FileStructure. The run is the movie of a cell (`m84001_220722_134701_s1`):
cells of one run design are sequenced, copied and marked one by one.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from baselake.errors import InputError
from baselake.ingest.platforms.platform import (
    Contents,
    End,
    SamFile,
    metadata_objects,
    missing,
    name_digest,
)
from baselake.ingest.run_source import Fault, RunDescription
from baselake.ingest.samples import NoSample

PLATFORM = "PACBIO"
_MOVIE = re.compile(r"m(?P<instrument>\d+[A-Za-z]?)_(?P<start>\d{6}_\d{6})(_s\d+)?")
# MOVIE.hifi_reads.BARCODE.bam; Sequel IIe writes all CCS reads as `reads`, SMRT Link as `ccs`.
_READS = re.compile(r"(?P<movie>m\d[^.]*)\.(?P<kind>hifi_reads|reads|ccs)(\.(?P<barcode>[^.]+))?\.bam")
_KINDS = ("hifi_reads", "reads", "ccs")  # the first there is: the others hold it, and worse reads
_FOLDERS = ("hifi_reads", "metadata", "pb_formats", "statistics")
_NOBODYS = "unassigned"
_DONE = ".transferdone"
_METADATA = (
    "pb_formats/*.xml",
    "metadata/*.xml",
    "statistics/*.json",
    "*.consensusreadset.xml",
    "*.ccs_reports.json",
)


def describe(folder: Path, names: frozenset[str]) -> RunDescription | None:
    movie = _movie(folder, names)
    if movie is None:
        return None
    match = _MOVIE.fullmatch(movie)
    assert match is not None
    try:
        started = datetime.strptime(match["start"], "%y%m%d_%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        started = None  # digits that are no time: when the run began is not told
    return RunDescription(
        run_id=movie,
        platform=PLATFORM,
        instrument=match["instrument"],
        flowcell="",
        started=started,
        digest=name_digest(PLATFORM, movie),
        folder=folder.resolve(),
    )


def contents(folder: Path, sheet: Path | None, sample: str | None) -> Contents:
    del sheet  # samples are those of the run design, which the data sets and headers repeat
    movie = _movie(folder, frozenset(entry.name for entry in folder.iterdir()))
    assert movie is not None
    found: dict[str, list[tuple[Path, str | None]]] = {}
    for place in (folder / "hifi_reads", folder):
        for path in sorted(place.glob(f"{movie}.*.bam")):
            if match := _READS.fullmatch(path.name):
                found.setdefault(match["kind"], []).append((path, match["barcode"]))
    kind = next((kind for kind in _KINDS if kind in found), None)
    faults = list(_list_faults(folder, movie))
    if kind is None and any(folder.glob(f"{movie}.subreads.bam")):
        faults.append(
            Fault(
                path=folder / f"{movie}.subreads.bam",
                what="subreads, of which HiFi reads have to be made first, with PacBio's ccs",
                missing=False,
            )
        )
    elif kind is None:
        faults.append(missing(folder / "hifi_reads", "no file of HiFi reads is there"))
    sam = [
        SamFile(
            path=path,
            sample=NoSample.UNDETERMINED
            if barcode == _NOBODYS
            else sample or _named_sample(folder, f"{movie}.{kind}{f'.{barcode}' if barcode else ''}"),
        )
        for path, barcode in (found[kind] if kind is not None else ())
    ]
    return Contents(sam=tuple(sam), objects=metadata_objects(folder, *_METADATA), faults=tuple(faults))


def end(folder: Path) -> End:
    return End(ended=any(path.name.endswith(_DONE) for path in _markers(folder)))


def sample_sheet(folder: Path) -> Path | None:
    del folder
    return None


def _movie(folder: Path, names: frozenset[str]) -> str | None:
    """The movie that files are called after; None where the folder is no cell's."""
    places = [folder / name for name in _FOLDERS if name in names] if names.intersection(_FOLDERS) else []
    candidates = [entry.name for place in places if place.is_dir() for entry in place.iterdir()]
    beside = [name for name in names if name.lstrip(".").startswith("m")]
    if any(name.endswith((_DONE, ".consensusreadset.xml", ".subreadset.xml")) for name in beside):
        candidates += beside
    movies = sorted({name.lstrip(".").partition(".")[0] for name in candidates})
    return next((movie for movie in movies if _MOVIE.fullmatch(movie)), None)


def _markers(folder: Path) -> Iterator[Path]:
    for place in (folder / "metadata", folder):
        if place.is_dir():
            yield from place.glob(f"*{_DONE}")
            yield from place.glob(f".*{_DONE}")


def _list_faults(folder: Path, movie: str) -> Iterator[Fault]:
    """The marker of the cell, and the files that its data sets name."""
    if not any(_markers(folder)):
        place = folder / "metadata" if (folder / "metadata").is_dir() else folder
        yield missing(place / f"{movie}{_DONE}", "it is not there: it is written when the cell is copied")
    for data_set in _data_sets(folder, f"{movie}.*"):
        root = _parse(data_set)
        for element in root.iter():
            resource = element.get("ResourceId", "")
            if _local(element.tag) != "ExternalResource" or not _READS.fullmatch(Path(resource).name):
                continue
            path = Path(resource) if Path(resource).is_absolute() else data_set.parent / resource
            # SMRT Link writes the paths of where it ran: a copy has the files beside the data set.
            if not any(
                place.is_file() for place in (path, *(folder / p / path.name for p in ("hifi_reads", ".")))
            ):
                yield missing(
                    folder / "hifi_reads" / path.name, f"{data_set.name} names it, and it is not there"
                )


def _data_sets(folder: Path, stem: str) -> list[Path]:
    return [
        path
        for place in (folder / "pb_formats", folder)
        for path in sorted(place.glob(f"{stem}.consensusreadset.xml"))
        if ".fail_reads" not in path.name
    ]


def _named_sample(folder: Path, stem: str) -> str | None:
    """The biological sample that the data set of a file names; None where it names none or several."""
    names = {
        element.get("Name", "")
        for data_set in _data_sets(folder, stem)
        for element in _parse(data_set).iter()
        if _local(element.tag) == "BioSample"
    }
    return names.pop() if len(names) == 1 and "" not in names else None


def _parse(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise InputError(
            f"it is not XML ({error})", str(path), "Copy the file from the instrument again"
        ) from error


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
