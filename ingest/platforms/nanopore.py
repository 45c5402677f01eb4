"""Oxford Nanopore: folders as MinKNOW writes them.

Layout: nanoporetech.github.io/ont-output-specifications. A run is `DATE_TIME_DEVICE_FLOWCELL_ID`, with folders by
format and by whether reads passed (`bam_pass`, `fastq_pass`, `pod5`), in them one of each barcode. MinKNOW moves
files in when they are finished, and writes `final_summary_*.txt`, which counts them, last.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from baselake.errors import InputError
from baselake.ingest.fastq_files import FastqUnit, is_fastq_name
from baselake.ingest.objects import RunObject
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

PLATFORM = "ONT"
_RUN = re.compile(r"(?P<start>\d{8}_\d{4})_(?P<device>.+)_(?P<flowcell>[^_]*)_[0-9a-f]{8}")
_SUMMARY = "final_summary_*.txt"
_SHEET = "sample_sheet_*.csv"
_HASHES = "output_hash_*.csv"
_DATA = ("bam_pass", "fastq_pass", "pod5", "pod5_pass", "bam_fail", "fastq_fail", "fast5_pass")
_BARCODE = re.compile(r"barcode\d+")
_NOBODYS = ("unclassified", "mixed")  # folders of reads with no barcode, or with two different ones
_UNNAMED = ("", "no_sample")  # MinKNOW's word for a sample that nobody named
# What final_summary counts, and the folders that it counts it in.
_COUNTED = {"bam": ".bam", "fastq": ".fastq", "pod5": ".pod5"}
_METADATA = (_SUMMARY, _SHEET, _HASHES, "report_*.json", "barcode_alignment_*.tsv")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """What names samples.

    Attributes:
        aliases: sample of each barcode.
        sample: of a run without barcodes; None where nothing names it.
    """

    aliases: Mapping[str, str]
    sample: str | None


def describe(folder: Path, names: frozenset[str]) -> RunDescription | None:
    match = _RUN.fullmatch(folder.resolve().name)
    summary = _summary(folder, names)
    if not (summary or (match and names.intersection(_DATA))):
        return None
    # The folder's name is unique; one that was renamed has its run's number in the summary.
    run_id = match.group() if match else summary.get("protocol_run_id", "")
    if not run_id:
        raise InputError("no protocol_run_id in final_summary", str(folder), "Give the folder its name back")
    return RunDescription(
        run_id=run_id,
        platform=PLATFORM,
        instrument=summary.get("instrument") or (match["device"] if match else ""),
        flowcell=summary.get("flow_cell_id") or (match["flowcell"] if match else ""),
        started=_started(match["start"] if match else None, summary.get("started")),
        digest=name_digest(PLATFORM, run_id),
        folder=folder.resolve(),
    )


def contents(folder: Path, sheet: Path | None, sample: str | None) -> Contents:
    names = frozenset(entry.name for entry in folder.iterdir())
    summary = _summary(folder, names)
    description = describe(folder, names)
    assert description is not None
    naming = _naming(sheet, summary, sample)
    flowcell = description.flowcell or description.run_id
    bam = [path for path in _files(folder / "bam_pass") if path.suffix == ".bam"]
    fastq = [path for path in _files(folder / "fastq_pass") if is_fastq_name(path)]
    notes = []
    if bam and fastq:
        notes.append(
            "bam_pass and fastq_pass hold the same reads: those of bam_pass, with their tags, are taken"
        )
        fastq = []
    elif not bam and not fastq:
        notes.append("no reads that passed: MinKNOW has not called bases, or has not begun to")
    faults = [*_declared_faults(folder, summary)]
    sam, units = [], []
    unnamed: set[Path] = set()
    for path in (*bam, *fastq):
        barcode, owner = _owner(path, folder, naming, flowcell)
        if owner is None:
            unnamed.add(path.parent)
        elif path.suffix == ".bam":
            sam.append(SamFile(path=path, sample=owner))
        else:
            units.append(
                FastqUnit(sample=owner if isinstance(owner, str) else None, segments=(path,), barcode=barcode)
            )
    faults += [
        Fault(path=path, what="nothing names the sample of its reads: give it with --sample", missing=False)
        for path in sorted(unnamed)
    ]
    hashes, absent = _hashes(folder)
    return Contents(
        fastq=tuple(units),
        sam=tuple(sam),
        objects=(*_signal(folder), *metadata_objects(folder, *_METADATA)),
        sha256=hashes,
        faults=(*faults, *absent),
        notes=tuple(notes),
    )


def end(folder: Path) -> End:
    return End(ended=any(folder.glob(_SUMMARY)))


def sample_sheet(folder: Path) -> Path | None:
    sheets = [path for path in folder.glob(_SHEET) if path.is_file()]
    return max(sheets, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


def _summary(folder: Path, names: frozenset[str]) -> dict[str, str]:
    """The lines `key=value` of final_summary; empty where it is not there."""
    found = sorted(name for name in names if name.startswith("final_summary_") and name.endswith(".txt"))
    if not found:
        return {}
    if len(found) > 1:
        raise InputError(
            f"{len(found)} files called final_summary: the folder holds several runs",
            str(folder),
            "Put each run into a folder of its own",
        )
    text = (folder / found[0]).read_text(errors="replace")
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _started(named: str | None, written: str | None) -> datetime | None:
    try:
        if written:
            return datetime.fromisoformat(written).astimezone(UTC)
        return datetime.strptime(named, "%Y%m%d_%H%M").replace(tzinfo=UTC) if named else None
    except ValueError:
        return None  # a name or a time of another form: when the run began is not told


def _naming(sheet: Path | None, summary: Mapping[str, str], sample: str | None) -> _Sheet:
    """Samples of barcodes by the sheet; of reads without barcodes by the caller, the sheet, the summary."""
    rows = list(_sheet_rows(sheet)) if sheet is not None else []
    aliases = {
        row["barcode"]: row["alias"]
        for row in rows
        # MinKNOW calls a barcode by itself where nobody named it.
        if row.get("barcode") and row.get("alias") and not _BARCODE.fullmatch(row["alias"])
    }
    named = {row.get("alias") or row.get("sample_id", "") for row in rows if not row.get("barcode")}
    named = named or {row.get("sample_id", "") for row in rows}
    written = named.pop() if len(named) == 1 else ""
    candidates = (sample or "", written, summary.get("sample_id", ""))
    return _Sheet(aliases=aliases, sample=next((name for name in candidates if name not in _UNNAMED), None))


def _sheet_rows(sheet: Path) -> Iterator[dict[str, str]]:
    with open(sheet, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = [name.strip().lower() for name in reader.fieldnames or ()]
        if not {"alias", "barcode", "sample_id"}.intersection(columns):
            raise InputError(
                "no column alias, barcode or sample_id",
                f"{sheet}, line 1",
                "Write the sheet as MinKNOW does: one row of column names, then one a barcode",
            )
        for row in reader:
            yield {
                (key or "").strip().lower(): (value or "").strip()
                for key, value in row.items()
                if isinstance(value, str)
            }


def _owner(
    path: Path, folder: Path, naming: _Sheet, flowcell: str
) -> tuple[str | None, str | NoSample | None]:
    """Barcode and sample of a file by the folder it is in; the sample None where nothing names it."""
    place = path.parent.relative_to(folder).parts[1:]
    if not place:
        return None, naming.sample
    if place[0] in _NOBODYS:
        return None, NoSample.UNDETERMINED
    if _BARCODE.fullmatch(place[0]):
        # The same barcodes are in every kit: by itself, one says nothing of whose reads these are.
        return place[0], naming.aliases.get(place[0], f"{flowcell}_{place[0]}")
    barcodes = [barcode for barcode, alias in naming.aliases.items() if alias == place[0]]
    return (barcodes[0] if len(barcodes) == 1 else None), place[0]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def _signal(folder: Path) -> tuple[RunObject, ...]:
    return tuple(
        RunObject(path=path, name=str(path.relative_to(folder)), kind="pod5")
        for place in sorted(folder.glob("pod5*"))
        for path in _files(place)
        if path.suffix == ".pod5"
    )


def _declared_faults(folder: Path, summary: Mapping[str, str]) -> Iterator[Fault]:
    """What final_summary counts and is not there."""
    if not summary:
        yield missing(folder / _SUMMARY, "it is not there: MinKNOW writes it when all files are written")
        return
    (path,) = folder.glob(_SUMMARY)
    for kind, suffix in _COUNTED.items():
        declared = _count(summary, f"{kind}_files_in_final_dest", path)
        elsewhere = _count(summary, f"{kind}_files_in_fallback", path)
        if elsewhere:
            yield missing(
                path, f"{elsewhere} {kind} files were written to MinKNOW's fallback folder, not to this one"
            )
        there = sum(suffix in file.suffixes for place in folder.glob(f"{kind}*") for file in _files(place))
        if there < declared:
            yield missing(path, f"it counts {declared} {kind} files, of which {there} are there")


def _count(summary: Mapping[str, str], key: str, path: Path) -> int:
    value = summary.get(key) or "0"
    if not value.isdigit():
        raise InputError(
            f"{key} is {value!r}, not a number", str(path), "Copy the file from the instrument again"
        )
    return int(value)


def _hashes(folder: Path) -> tuple[dict[Path, str], list[Fault]]:
    """SHA-256 of files that output_hash lists, and those of passed reads and signal that are not there."""
    hashes: dict[Path, str] = {}
    absent = []
    for listing in sorted(folder.glob(_HASHES)):
        with open(listing, newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                name, digest = row.get("file_path") or "", row.get("file_hash") or ""
                path = folder / name.replace("\\", "/")
                if not path.is_file():
                    if name.startswith(("bam_pass", "fastq_pass", "pod5")):
                        absent.append(missing(path, f"{listing.name} lists it, and it is not there"))
                elif digest:
                    hashes[path] = digest.lower()
    return hashes, absent
