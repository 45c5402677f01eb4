"""MGI DNBSEQ: a folder per flow cell, in it `L01`, `L02`, ... with `FLOWCELL_L01_BARCODE_1.fq.gz`.

BARCODE is the number of a barcode of the maker's set, or a sample's name. A lane that the instrument did not
demultiplex has `FLOWCELL_L01_read_1.fq.gz` alone, with the barcodes at the end of the last read.
"""

import csv
import re
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from baselake.ingest.fastq_files import FastqUnit
from baselake.ingest.platforms.platform import Contents, End, metadata_objects, missing, name_digest
from baselake.ingest.run_source import Fault, RunDescription

PLATFORM = "DNBSEQ"
_LANE = re.compile(r"L0[1-8]")
_FASTQ = re.compile(
    r"(?P<flowcell>[A-Z]{1,4}\d{6,}[A-Z]?)_(?P<lane>L0[1-8])_(?P<barcode>.+?)(_(?P<mate>[12]))?\.fq\.gz"
)
_INFO = "BioInfo.csv"
_NOT_SPLIT = "read"
# What splitBarcode calls reads of no barcode, of two, and those it gives up.
_NOBODYS = ("undecoded", "ambiguous", "discard", "undetermined", "unmatched")
_METADATA = (
    _INFO,
    "L0?/BioInfo.csv",
    "*.csv",
    "L0?/BarcodeStat.txt",
    "L0?/SequenceStat.txt",
    "BarcodeStat.txt",
)
_DONE = "*summaryReport.html"


def describe(folder: Path, names: frozenset[str]) -> RunDescription | None:
    places = _places(folder, names)
    matches = (_FASTQ.fullmatch(entry.name) for place in places for entry in place.iterdir())
    flowcell = min((match["flowcell"] for match in matches if match), default=None)
    if flowcell is None:
        return None
    info = next((_info(place / _INFO) for place in places if (place / _INFO).is_file()), {})
    return RunDescription(
        run_id=flowcell,
        platform=PLATFORM,
        instrument=info.get("machineid", ""),
        flowcell=flowcell,
        started=_started(info),
        digest=name_digest(PLATFORM, flowcell),
        folder=folder.resolve(),
    )


def contents(folder: Path, sheet: Path | None, sample: str | None) -> Contents:
    del sheet, sample  # the instrument, or splitBarcode, has named the files
    lanes: dict[str, dict[str, dict[str, Path]]] = defaultdict(lambda: defaultdict(dict))
    flowcell = ""
    for place in _places(folder, frozenset(entry.name for entry in folder.iterdir())):
        for path in sorted(place.iterdir()):
            if match := _FASTQ.fullmatch(path.name):
                flowcell = match["flowcell"]
                lanes[match["lane"]][match["barcode"]][match["mate"] or "1"] = path
    units, faults, notes = [], [], []
    for lane, barcodes in lanes.items():
        whole = barcodes.pop(_NOT_SPLIT, None)
        if whole is not None and not barcodes:
            faults.append(
                Fault(
                    path=next(iter(whole.values())),
                    what="reads of all samples, which have to be told apart first, with MGI's splitBarcode or with"
                    " mgikit",
                    missing=False,
                    lane=int(lane[1:]),
                )
            )
        elif whole is not None:
            notes.append(f"{lane}: the reads by barcode are taken, and not the same ones all together")
        paired = any("2" in mates for mates in barcodes.values())
        for barcode, mates in barcodes.items():
            absent = [mate for mate in (("1", "2") if paired else ("1",)) if mate not in mates]
            if absent:
                there = next(iter(mates.values()))
                faults.append(missing(there, f"its mate {absent[0]} is not there"))
                continue
            units.append(
                FastqUnit(
                    sample=_sample(flowcell, barcode),
                    segments=tuple(mates[mate] for mate in sorted(mates)),
                    barcode=barcode if barcode.isdigit() else None,
                    lane=int(lane[1:]),
                )
            )
    declared = {path: count for unit in units for path in unit.files if (count := _reads(path)) is not None}
    return Contents(
        fastq=tuple(units),
        objects=metadata_objects(folder, *_METADATA),
        declared=declared,
        faults=tuple(faults),
        notes=tuple(notes),
    )


def end(folder: Path) -> End:
    places = _places(folder, frozenset(entry.name for entry in folder.iterdir()))
    return End(ended=bool(places) and all(any(place.glob(_DONE)) for place in places))


def sample_sheet(folder: Path) -> Path | None:
    del folder
    return None


def _places(folder: Path, names: frozenset[str]) -> list[Path]:
    """The folders of lanes; the folder itself where files of lanes are side by side in it."""
    lanes = [folder / name for name in sorted(names) if _LANE.fullmatch(name) and (folder / name).is_dir()]
    if lanes:
        return lanes
    return [folder] if _INFO in names and not _LANE.fullmatch(folder.resolve().name) else []


def _sample(flowcell: str, barcode: str) -> str | None:
    if barcode.lower() in _NOBODYS:
        return None
    # The same numbers are on every flow cell: by itself, one says nothing of whose reads these are.
    return f"{flowcell}_{barcode}" if barcode.isdigit() else barcode


def _reads(path: Path) -> int | None:
    """How many reads the instrument counted in a file, where it wrote that beside it."""
    stats = path.with_name(f"{path.name.removesuffix('.gz')}.fqStat.txt")
    if not stats.is_file():
        return None
    found = re.search(r"^#ReadNum\s+(\d+)", stats.read_text(errors="replace"), re.MULTILINE)
    return int(found[1]) if found else None


def _info(path: Path) -> dict[str, str]:
    """BioInfo.csv: a key and its value a line; keys in lower case, letters and digits only."""
    with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
        return {
            re.sub(r"[^a-z0-9]", "", row[0].lower()): row[1].strip()
            for row in csv.reader(file)
            if len(row) > 1
        }


def _started(info: dict[str, str]) -> datetime | None:
    text = f"{info.get('sequencedate', '')} {info.get('sequencetime', '')}".strip()
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None  # none, or of another form: when the run began is not told
