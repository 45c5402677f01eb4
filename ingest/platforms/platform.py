"""What each platform's module tells of a run folder; `FolderRun` does the rest for all of them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from baselake.ingest.fastq_files import FastqUnit
from baselake.ingest.objects import RunObject
from baselake.ingest.run_source import Fault, RunDescription
from baselake.ingest.samples import NoSample


@dataclass(frozen=True, slots=True, kw_only=True)
class SamFile:
    """A BAM or CRAM file of a run.

    Attributes:
        path: the file.
        sample: whose it is; None: whose its header says.
    """

    path: Path
    sample: str | NoSample | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a run folder holds to be imported, and what is wrong with it.

    Attributes:
        fastq: FASTQ files.
        sam: BAM and CRAM files.
        objects: files to keep as they are.
        declared: how many reads a FASTQ file has, where the instrument says so.
        sha256: of the files whose digest the instrument says, hexadecimal.
        faults: what the run's own lists say is not there, or there in part.
        notes: what is worth knowing, such as what was left out.
    """

    fastq: tuple[FastqUnit, ...] = ()
    sam: tuple[SamFile, ...] = ()
    objects: tuple[RunObject, ...] = ()
    declared: Mapping[Path, int] = field(default_factory=dict)
    sha256: Mapping[Path, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[FastqUnit | SamFile, ...]:
        """All files of reads."""
        return (*self.fastq, *self.sam)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Whether the instrument says that it is done; see `RunProgress`."""

    ended: bool
    aborted: str | None = None


class Platform(Protocol):
    """A module that knows one platform's folders."""

    def describe(self, folder: Path, names: frozenset[str]) -> RunDescription | None:
        """The run, None where the folder is none of this platform's; `names` are those of its entries.

        Raises:
            InputError: what describes the run cannot be read, or its reads need the maker's software first.
        """

    def contents(self, folder: Path, sheet: Path | None, sample: str | None) -> Contents:
        """What there is to import.

        Args:
            folder: the run's.
            sheet: the sample sheet that counts; None: there is none.
            sample: of reads that nothing else names the sample of.

        Raises:
            InputError: a list of the run's, or its sheet, cannot be read.
        """

    def end(self, folder: Path) -> End:
        """Whether an end marker is there. Cheap."""

    def sample_sheet(self, folder: Path) -> Path | None:
        """The sheet in the folder; None where the platform has none."""


def name_digest(platform: str, name: str) -> str:
    """The digest of a run whose name is unique in the world."""
    return hashlib.sha256(f"{platform}\0{name}".encode()).hexdigest()


def metadata_objects(folder: Path, *patterns: str) -> tuple[RunObject, ...]:
    """Files that describe the run, to be kept beside its reads."""
    found = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    return tuple(RunObject(path=path, name=str(path.relative_to(folder)), kind="metadata") for path in found)


def missing(path: Path, what: str) -> Fault:
    """A fault of what may still come."""
    return Fault(path=path, what=what, missing=True)
