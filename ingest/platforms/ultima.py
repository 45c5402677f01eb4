"""Ultima: a CRAM file per barcode, as the instrument's own demultiplexing leaves them.

`RUN-DATE_TIME/` with `RUN_LibraryInfo.xml`, which lists the samples, and for each a folder with
`RUN-SAMPLE-LABEL-BARCODE.cram`; reads that fit no library are in `*unmatched.cram`.
"""

import re
from collections.abc import Mapping
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

PLATFORM = "ULTIMA"
_RUN = re.compile(r"(?P<run>\d{6,})-(?P<start>\d{8}_\d{4})")
_LIBRARY = re.compile(r"(?P<run>\d{6,})_LibraryInfo\.xml")
_CRAM = re.compile(
    r"(?P<run>\d{6,})-(?P<sample>.+)-(?P<label>[A-Za-z]+\d+)-(?P<barcode>[ACGT]+)(?P<rest>.*)\.cram"
)
_DONE = "*UploadCompleted.json"
_METADATA = (
    "*_LibraryInfo.xml",
    "*_SequencingInfo.json",
    _DONE,
    "run_*.txt",
    "*merged_trimmer-*.csv",
)


def describe(folder: Path, names: frozenset[str]) -> RunDescription | None:
    match = _RUN.fullmatch(folder.resolve().name)
    numbers = sorted(found["run"] for name in names if (found := _LIBRARY.fullmatch(name)))
    own = match is not None and any(name.startswith(f"{match['run']}-") for name in names)
    if not numbers and not own:
        return None
    run_id = match.group() if match is not None else numbers[0]
    number = match["run"] if match is not None else numbers[0]
    started = None
    if match is not None:
        try:
            started = datetime.strptime(match["start"], "%Y%m%d_%H%M").replace(tzinfo=UTC)
        except ValueError:
            started = None  # digits that are no time: when the run began is not told
    return RunDescription(
        run_id=run_id,
        platform=PLATFORM,
        instrument="",
        flowcell="",
        started=started,
        digest=name_digest(PLATFORM, number),
        folder=folder.resolve(),
    )


def contents(folder: Path, sheet: Path | None, sample: str | None) -> Contents:
    del sheet  # LibraryInfo.xml is the sheet
    listed = _libraries(folder)
    faults: list[Fault] = []
    if listed is None:
        faults.append(missing(folder / "*_LibraryInfo.xml", "it is not there: it lists the samples"))
    sam, notes = [], []
    seen: dict[str, list[tuple[Path, str, str]]] = {}
    for path in sorted(path for path in folder.rglob("*.cram") if path.is_file()):
        match = _CRAM.fullmatch(path.name)
        if "unmatched" in path.name:
            sam.append(SamFile(path=path, sample=NoSample.UNDETERMINED))
        elif match is None:
            sam.append(SamFile(path=path, sample=sample))
        else:
            key = f"{match['label']}-{match['barcode']}"
            seen.setdefault(key, []).append((path, match["rest"], match["sample"]))
    for key, files in seen.items():
        plain = [file for file in files if not file[1]] or files
        if len(plain) > 1:
            faults.append(
                Fault(
                    path=plain[1][0],
                    what=f"of barcode {key} like {plain[0][0].name}: only one of them can be the barcode's reads",
                    missing=False,
                )
            )
            continue
        path, _, named = plain[0]
        if len(files) > 1:
            notes.append(
                f"of barcode {key}, {path.name} is taken, and not {len(files) - 1} files made from it"
            )
        sam.append(SamFile(path=path, sample=(listed or {}).get(key, named)))
    faults += [
        missing(folder / f"*-{key}.cram", f"LibraryInfo.xml lists sample {name} with this barcode")
        for key, name in (listed or {}).items()
        if key not in seen
    ]
    return Contents(
        sam=tuple(sam),
        objects=metadata_objects(folder, *_METADATA),
        faults=tuple(faults),
        notes=tuple(notes),
    )


def end(folder: Path) -> End:
    return End(ended=any(folder.glob(_DONE)))


def sample_sheet(folder: Path) -> Path | None:
    del folder
    return None


def _libraries(folder: Path) -> Mapping[str, str] | None:
    """Sample of each `LABEL-BARCODE` in LibraryInfo.xml; None where it is not there."""
    found = sorted(folder.glob("*_LibraryInfo.xml"))
    if not found:
        return None
    try:
        root = ElementTree.parse(found[0]).getroot()
    except ElementTree.ParseError as error:
        raise InputError(
            f"it is not XML ({error})", str(found[0]), "Copy the file from the instrument again"
        ) from error
    samples = [element for element in root.iter() if element.tag.rpartition("}")[2] == "Sample"]
    return {
        f"{element.get('Index_Label')}-{element.get('Index_Sequence')}": element.get("Id", "")
        for element in samples
        if element.get("Id") and element.get("Index_Label") and element.get("Index_Sequence")
    }
