"""Element AVITI: what bases2fastq writes (docs.elembio.io/docs/bases2fastq/inputs-outputs).

`RunParameters.json`, `RunStats.json` and `Samples/[PROJECT/]SAMPLE/SAMPLE_R1.fastq.gz`. The folder that the
instrument writes holds base calls in a format that only bases2fastq reads.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from baselake.errors import InputError
from baselake.ingest.fastq_files import FastqUnit
from baselake.ingest.platforms.platform import Contents, End, metadata_objects, missing
from baselake.ingest.run_source import Fault, RunDescription

PLATFORM = "ELEMENT"
_PARAMETERS = "RunParameters.json"
_STATS = "RunStats.json"
_SAMPLES = "Samples"
_UPLOADED = "RunUploaded.json"
_COMPLETED = "OutcomeCompleted"
_FASTQ = re.compile(
    r"(?P<stem>.+?)(_S\d+)?(_L0*(?P<lane>\d+))?_(?P<kind>[RI])(?P<number>[12])(_\d{3})?\.(fastq|fq)\.gz"
)
_UNASSIGNED = ("Unassigned", "Undetermined")
_METADATA = (
    _PARAMETERS,
    _STATS,
    _UPLOADED,
    "RunManifest.*",
    "IndexAssignment.csv",
    "Metrics.csv",
    "AvitiRunStats.json",
)


def describe(folder: Path, names: frozenset[str]) -> RunDescription | None:
    if _PARAMETERS not in names:
        return None
    text = (folder / _PARAMETERS).read_bytes()
    parameters = _json(folder / _PARAMETERS)
    flowcell = parameters.get("FlowcellID") or _serial_number(parameters)
    if not flowcell and "InstrumentName" not in parameters:
        return None
    if _SAMPLES not in names:
        if "BaseCalls" in names or "BaseCalling" in names:
            raise InputError(
                "base calls of an AVITI, which only Element's bases2fastq reads",
                str(folder),
                "Run bases2fastq, and import the folder that it writes",
            )
        return None
    name = parameters.get("RunFolderName") or "_".join(
        filter(None, (parameters.get("InstrumentName"), parameters.get("RunName")))
    )
    if not name:
        raise InputError(
            "neither RunFolderName nor RunName", str(folder / _PARAMETERS), "Copy the file again"
        )
    return RunDescription(
        run_id=name,
        platform=PLATFORM,
        instrument=str(parameters.get("InstrumentName") or ""),
        flowcell=str(flowcell or ""),
        started=_date(parameters.get("Date")),
        digest=sha256(text).hexdigest(),
        folder=folder.resolve(),
    )


def contents(folder: Path, sheet: Path | None, sample: str | None) -> Contents:
    del sheet, sample  # the run manifest was the sheet: bases2fastq names the folders by it
    files: dict[tuple[Path, str, int | None], dict[str, Path]] = {}
    for path in sorted(path for path in (folder / _SAMPLES).rglob("*") if path.is_file()):
        if match := _FASTQ.fullmatch(path.name):
            lane = int(match["lane"]) if match["lane"] else None
            files.setdefault((path.parent, match["stem"], lane), {})[match["kind"] + match["number"]] = path
    paired = any("R2" in roles for roles in files.values())
    faults: list[Fault] = []
    units = []
    for (place, _, lane), roles in files.items():
        wanted = ("R1", "R2") if paired else ("R1",)
        absent = [role for role in wanted if role not in roles]
        if absent:
            there = next(iter(roles.values()))
            faults.append(missing(there, f"its {' and '.join(absent)} is not there"))
            continue
        owner = place.name
        units.append(
            FastqUnit(
                sample=None if owner in _UNASSIGNED else owner,
                segments=tuple(roles[role] for role in wanted),
                indexes=tuple(roles[role] for role in ("I1", "I2") if role in roles),
                lane=lane,
            )
        )
    faults += _list_faults(folder, {place.name for place, _, _ in files})
    return Contents(fastq=tuple(units), objects=metadata_objects(folder, *_METADATA), faults=tuple(faults))


def end(folder: Path) -> End:
    if not (folder / _UPLOADED).is_file():
        return End(ended=(folder / _STATS).is_file())
    outcome = _json(folder / _UPLOADED).get("outcome")
    return End(
        ended=True, aborted=None if outcome == _COMPLETED else f"{_UPLOADED} says {outcome or 'no outcome'}"
    )


def sample_sheet(folder: Path) -> Path | None:
    del folder
    return None


def _list_faults(folder: Path, there: set[str]) -> Iterator[Fault]:
    """The samples that bases2fastq says it wrote and that are not there."""
    path = folder / _STATS
    if not path.is_file():
        yield missing(path, "it is not there: bases2fastq writes it when all reads are written")
        return
    samples = _json(path).get("SampleStats") or []
    names = {
        str(row.get("SampleName")): row for row in samples if isinstance(row, dict) and row.get("SampleName")
    }
    for name, row in sorted(names.items()):
        if name not in there and row.get("NumPolonies") != 0:
            yield missing(folder / _SAMPLES / name, f"{_STATS} lists the sample, and its reads are not there")


def _serial_number(parameters: Mapping[str, Any]) -> str | None:
    """The flow cell where versions of the file since 6 have it."""
    flowcell = (parameters.get("Consumables") or {}).get("Flowcell") or {}
    return flowcell.get("SerialNumber")


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(
            f"it is not JSON ({error})", str(path), "Copy the file from its source again"
        ) from error
    if not isinstance(content, dict):
        raise InputError("it is not a JSON object", str(path), "Copy the file from its source again")
    return content


def _date(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None  # none, or of another form: when the run began is not told
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
