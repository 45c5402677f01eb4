"""RunParameters.xml: which kind of instrument made a run, and with which reagents.

Its elements differ between instruments and between versions of their software, so that each fact is looked for in
the places where some instrument has it. Nothing that reads consist of is taken from it: copies of NovaSeq runs lack
the file (the instrument's Z: drive leaves it out), and a run is converted without it.
"""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from baselake.errors import InputError
from baselake.ingest.illumina.run_info import decode_xml, parse_xml

_NAMES = ("RunParameters.xml", "runParameters.xml")
# What an instrument calls itself in InstrumentType, Application or ApplicationName, letters and digits only. The
# first that fits counts: longer names before those they begin with.
_KINDS = (
    ("novaseqx", "NovaSeq X"),
    ("novaseq", "NovaSeq 6000"),
    ("nextseq1000", "NextSeq 1000/2000"),
    ("nextseq2000", "NextSeq 1000/2000"),
    ("nextseq", "NextSeq 500"),
    ("miseqi100", "MiSeq i100"),
    ("miseq", "MiSeq"),
    ("miniseq", "MiniSeq"),
    ("iseq", "iSeq"),
    ("hiseqx", "HiSeq X"),
    ("hiseq", "HiSeq"),
)
# Serial numbers begin so (the instruments' own folders; run ids in public archives).
_SERIAL_NUMBERS = (
    (r"M\d+", "MiSeq"),
    (r"SH\d+", "MiSeq i100"),
    (r"FS\d+", "iSeq"),
    (r"MN\d+", "MiniSeq"),
    (r"N[BS]\d+|NDX\d+(_RUO)?", "NextSeq 500"),
    (r"VH\d+|VL\d+", "NextSeq 1000/2000"),
    (r"A\d+", "NovaSeq 6000"),
    (r"LH\d+", "NovaSeq X"),
    (r"E\d+|ST-E\d+", "HiSeq X"),
    (r"[DJKC]\d+|SN\d+|HWI-[A-Z]*\d+|SL-H[A-Z]+", "HiSeq"),
)
# Whether i5 is read as its reverse complement (knowledge.illumina.com, indexed sequencing on paired-end flow cells).
# The NovaSeq 6000 depends on its reagents, the MiSeq i100 on its order of reads.
_I5_REVERSED = {
    "MiSeq": False,
    "iSeq": True,
    "MiniSeq": True,
    "NextSeq 500": True,
    "NextSeq 1000/2000": True,
    "NovaSeq X": True,
    "HiSeq X": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParameters:
    """What RunParameters.xml says; None where it does not.

    Attributes:
        instrument_type: `MiSeq`, `MiSeq i100`, `iSeq`, `MiniSeq`, `NextSeq 500` (and 550), `NextSeq 1000/2000`,
            `NovaSeq 6000`, `NovaSeq X`, `HiSeq` or `HiSeq X`.
        experiment: the experiment's name.
        flowcell_type: FlowCellMode of a NovaSeq 6000 (`S4`), FlowCellType of a NovaSeq X (`NovaSeqXSeriesB3`).
        reagent_version: ReagentKitVersion of a MiSeq (`Version2`), SbsConsumableVersion of a NovaSeq 6000
            (`1`: v1.0, `3`: v1.5).
        software_version: of the control software.
        text: the file.
    """

    instrument_type: str | None
    experiment: str | None
    flowcell_type: str | None
    reagent_version: str | None
    software_version: str | None
    text: str


def read_run_parameters(folder: Path) -> RunParameters | None:
    """Read the RunParameters.xml of a run folder, either way its name is spelled; None where there is none.

    Raises:
        TruncatedInputError: it ends before its XML does.
        InputError: it is not XML.
    """
    for name in _NAMES:
        path = folder / name
        try:
            return parse_run_parameters(path.read_bytes(), path)
        except FileNotFoundError:
            continue
    return None


def parse_run_parameters(data: bytes, path: Path) -> RunParameters:
    """Read the bytes of RunParameters.xml; `path` is where they are from. Raises as `read_run_parameters` does."""
    root = parse_xml(data, path)
    if root.tag != "RunParameters":
        raise InputError(
            f"its root is <{root.tag}>, not <RunParameters>", str(path), "Copy it from the instrument again"
        )
    kind = _first(root, "InstrumentType", "Setup/ApplicationName", "ApplicationName", "Application")
    version = _first(root, "RunParametersVersion")
    return RunParameters(
        instrument_type=_kind(kind) or _kind(version),
        experiment=_first(root, "ExperimentName", "Setup/ExperimentName"),
        flowcell_type=_first(
            root, "FlowCellMode", "RfidsInfo/FlowCellMode", "FlowCellType", "Setup/Flowcell"
        ),
        reagent_version=_first(root, "RfidsInfo/SbsConsumableVersion", "ReagentKitVersion"),
        software_version=_first(root, "Setup/ApplicationVersion", "ApplicationVersion", "SystemSuiteVersion"),
        text=decode_xml(data),
    )


def instrument_type(instrument: str, parameters: RunParameters | None) -> str | None:
    """The kind of an instrument: what it says itself, else what its serial number tells; None: neither.

    Args:
        instrument: the serial number, as RunInfo.xml has it.
        parameters: what RunParameters.xml says.
    """
    if parameters is not None and parameters.instrument_type is not None:
        return parameters.instrument_type
    for pattern, kind in _SERIAL_NUMBERS:
        if re.fullmatch(pattern, instrument.strip(), re.IGNORECASE):
            return kind
    return None


def reads_i5_reversed(instrument: str, parameters: RunParameters | None) -> bool | None:
    """True where an instrument reads i5 as its reverse complement, False where not, None where nothing tells.

    For messages: what a sheet must say is decided by RunInfo.xml alone, see `lane_plan`.
    """
    kind = instrument_type(instrument, parameters)
    if kind == "NovaSeq 6000" and parameters is not None and parameters.reagent_version in ("1", "3"):
        return parameters.reagent_version == "3"
    return _I5_REVERSED.get(kind) if kind is not None else None


def _first(root: ET.Element, *places: str) -> str | None:
    """The text of the first of several elements that is there and has any."""
    for place in places:
        text = (root.findtext(place) or "").strip()
        if text:
            return text
    return None


def _kind(name: str | None) -> str | None:
    letters = re.sub("[^a-z0-9]", "", (name or "").lower())
    return next((kind for beginning, kind in _KINDS if letters.startswith(beginning)), None)
