"""What every sequencer's folder answers, whichever instrument wrote it.

The daemon, the command line and the Python API know run folders by this alone; `ingest.runs.open_run` finds the
platform that a folder is of.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

# The command line takes its choices from here, before it is known whether there is a lake.
if TYPE_CHECKING:
    from baselake.catalog.catalog import Catalog
    from baselake.progress import Progress

# What a caller may allow to be absent from an Illumina folder: files of positions, whole tiles, the last bytes of a
# CBCL file's tiles, which hold their checksums.
MISSING = ("positions", "tiles", "checksums")
NO_CALLS = ("bin", "picard")  # see `baselake.ingest.illumina.tile.read_tile`


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDescription:
    """What a run folder says of itself.

    Attributes:
        run_id: the instrument's name of the run; the same in every copy of the folder.
        platform: as SAM's @RG PL spells it: ILLUMINA, ELEMENT, DNBSEQ, ONT, PACBIO, ULTIMA.
        instrument, flowcell: empty where the folder does not tell.
        started: when; None where the folder does not tell.
        digest: tells runs of the same name apart: SHA-256 of what describes the run.
        folder: where it was found.
    """

    run_id: str
    platform: str
    instrument: str
    flowcell: str
    started: datetime | None
    digest: str
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """How far the instrument, or the copy of its folder, has come. Cheap to find out.

    Attributes:
        cycles: cycles written so far; 0 where the platform has none.
        cycles_expected: of the whole run; 0 where the platform has none.
        bytes: what the folder holds as far as it was looked at.
        signature: changes whenever the folder does: a poll that sees the same one twice saw it at rest.
        ended: an end marker of the platform is there. A hint, never a proof.
        aborted: what says that the run was given up or failed; None where nothing does.
    """

    cycles: int
    cycles_expected: int
    bytes: int
    signature: str
    ended: bool
    aborted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with one file of a run.

    Attributes:
        path: the file.
        what: the fault.
        missing: the file, or a part of it, is not there: it may still come.
        lane, tile, cycle: which it holds; None where it is of all.
    """

    path: Path
    what: str
    missing: bool
    lane: int | None = None
    tile: int | None = None
    cycle: int | None = None

    def __str__(self) -> str:
        places = (("lane", self.lane), ("tile", self.tile), ("cycle", self.cycle))
        place = ", ".join(f"{name} {number}" for name, number in places if number is not None)
        return f"{self.path}{f' ({place})' if place else ''}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCheck:
    """Whether a run is whole, from its own contents.

    Attributes:
        faults: everything found wrong; empty: the run is whole.
        bytes: what importing will read.
        bytes_needed: an upper estimate of what the lake's disk must hold for it.
    """

    faults: tuple[Fault, ...]
    bytes: int
    bytes_needed: int

    @property
    def whole(self) -> bool:
        return not self.faults

    @property
    def waiting(self) -> bool:
        """Nothing is wrong but that something is not there yet."""
        return bool(self.faults) and all(fault.missing for fault in self.faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run is imported.

    Attributes:
        sample_sheet: the sheet; None takes the one in the folder, if there is one.
        allow_missing: of `MISSING`, what may be absent.
        include_filtered: keep clusters that failed the instrument's filter.
        no_calls: of `NO_CALLS`, which calls are N.
        sample: of platforms without a sheet, the sample, where the folder does not name it.
        reference: the assembly alignments are on; None finds it by the header's sequences.
        keep_signal: copy raw signal (pod5) into the lake as objects.
    """

    sample_sheet: Path | None = None
    allow_missing: frozenset[str] = field(default_factory=frozenset)
    include_filtered: bool = False
    no_calls: str = "bin"
    sample: str | None = None
    reference: str | None = None
    keep_signal: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What an import did.

    Attributes:
        run_id: the run.
        units: lanes and tiles, or files, that are in the lake now; those of earlier imports too.
        units_imported: those that this call brought.
        reads: rows this call wrote.
        faults: what could not be imported, and why.
    """

    run_id: str
    units: int
    units_imported: int
    reads: int
    faults: Sequence[Fault]


class RunSource(Protocol):
    """A run folder of one platform."""

    def describe(self) -> RunDescription:
        """What the folder says of itself.

        Raises:
            InputError: what describes the run cannot be read.
        """

    def progress(self) -> RunProgress:
        """How far it has come; cheap, also over a network."""

    def check(self, allow_missing: Collection[str] = ()) -> RunCheck:
        """Whether everything that the run's own description implies is there and has its declared size.

        Args:
            allow_missing: of `MISSING`, what may be absent.
        """

    def sample_sheet(self) -> Path | None:
        """The sheet in the folder that counts: the newest of several; None where there is none."""

    def ingest(self, catalog: "Catalog", options: RunOptions, progress: "Progress") -> RunResult:
        """Import what is not in the lake yet, one transaction a unit; what is faulty is left out and reported.

        Raises:
            InputError: the run or its sheet cannot be imported at all.
            ConflictError: another run of this name is in the lake.
            StorageError: the disk is full or fails, or the share is gone.
        """
