"""Every path inside a lake is spelled here and nowhere else.

LAKE/
├── catalog.sqlite          DuckLake's metadata, unless a PostgreSQL server has it
├── baselake.toml           settings, optional
├── commit.lock             held while one writer commits
├── watch.lock              held by the daemon
├── maintenance.lock        held by the one who compacts, expires, cleans or mends
├── tiers.lock             held while files are moved between tiers
├── locks/RUN               held while a run is imported or assigned
├── readers/ID              which snapshots an open lake may read: locked while it is open
├── data/main/TABLE/key=value/.../JOB-0001.parquet
├── objects/RUN/SHA256-NAME kept as they came: raw signal, what describes a run; SHA256: its first 16 digits
├── references/DIGEST.fa    one line a contig, upper case, with .fai beside it
├── reads/PROCESS           which files queries of a process read, until a writer counts them
├── jobs/JOB                journal of a job under way: locked while it lives
├── erasures/ERASURE/       what an erasure under way has to finish; gone when it is done
└── scratch/JOB/            what a job under way spills
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from baselake.config import SETTINGS
from baselake.errors import InputError

if TYPE_CHECKING:
    from baselake.lake.spec import TableSpec

# How hive-style paths spell NULL (Apache Hive; DuckDB reads it as NULL).
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
NAME_MAX = 255  # bytes in one path element (ext4, XFS, NFS)
OBJECTS = "objects"  # the folder of kept files, on every tier, and the table that tells of them
_DIGEST_LENGTH = 16  # hexadecimal digits: 64 bits, beside the name, tell a run's files apart


@dataclass(frozen=True, slots=True)
class LakeLayout:
    """Where things lie in the lake rooted at `root`."""

    root: Path

    @property
    def catalog(self) -> Path:
        return self.root / "catalog.sqlite"

    @property
    def unfinished_catalog(self) -> Path:
        """The catalog while it is made."""
        return self.root / "catalog.unfinished"

    @property
    def settings(self) -> Path:
        return self.root / SETTINGS

    @property
    def commit_lock(self) -> Path:
        return self.root / "commit.lock"

    @property
    def watch_lock(self) -> Path:
        return self.root / "watch.lock"

    @property
    def maintenance_lock(self) -> Path:
        return self.root / "maintenance.lock"

    @property
    def readers(self) -> Path:
        return self.root / "readers"

    @property
    def mover_lock(self) -> Path:
        return self.root / "tiers.lock"

    @property
    def reads(self) -> Path:
        return self.root / "reads"

    def run_lock(self, run_id: str) -> Path:
        return self.root / "locks" / quote(run_id, safe="")

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def references(self) -> Path:
        return self.root / "references"

    @property
    def objects(self) -> Path:
        return self.root / OBJECTS

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @property
    def scratch(self) -> Path:
        return self.root / "scratch"

    def reference_fasta(self, digest: str) -> Path:
        return self.references / f"{digest}.fa"

    @property
    def erasures(self) -> Path:
        return self.root / "erasures"

    @property
    def erase_lock(self) -> Path:
        return self.root / "locks" / "%erase"  # no run is called so: runs' names are quoted

    def rewritten_file(self, folder: str, location: str, name: str) -> Path:
        """Where a file that is written again goes: into the hot tier, in the partition it was in.

        Args:
            folder: of the table, relative to the hot tier.
            location: where it was: absolute path or URL.
            name: its new name.
        """
        path = self.data / folder
        for part in location.split("/")[:-1]:
            if "=" in part:
                path /= part
        return path / name

    def job_scratch(self, job_id: str) -> Path:
        return self.scratch / job_id

    def job_journal(self, job_id: str) -> Path:
        return self.jobs / job_id

    def object_file(self, run_id: str, name: str, sha256: str) -> Path:
        """Where a run's file of some content is kept.

        Args:
            run_id: the run.
            name: the file's path in the run's folder.
            sha256: of its bytes, hexadecimal.
        """
        own = quote(name.rpartition("/")[2], safe="")[-(NAME_MAX - _DIGEST_LENGTH - 1) :]
        return self.objects / quote(run_id, safe="") / f"{sha256[:_DIGEST_LENGTH]}-{own}"

    def object_part(self, run_id: str, job_id: str, number: int) -> Path:
        """A job's copy of such a file before its content is known."""
        return self.objects / quote(run_id, safe="") / f"{job_id}-{number:04d}.part"

    def data_file(
        self, spec: "TableSpec", partition: Mapping[str, str | int | None], job_id: str, number: int
    ) -> Path:
        """The path of a job's `number`-th file, in the partition's folder.

        Args:
            spec: the table.
            partition: value of every column in `spec.partition_by`; None is NULL.
            job_id: makes the name unique in the lake.
            number: makes it unique in the job.

        Raises:
            InputError: a value is too long for a folder's name, or spells the mark of NULL.
            ValueError: the partition's columns are not the table's.
        """
        if tuple(partition) != spec.partition_by:
            raise ValueError(f"{spec.name} is partitioned by {spec.partition_by}, not {tuple(partition)}")
        folder = self.data / "main" / spec.name
        for column, value in partition.items():
            folder /= f"{column}={_spell(column, value)}"
        return folder / f"{job_id}-{number:04d}.parquet"


def table_folder(table: str) -> str:
    """Where a table's files are, relative to the hot tier and to every other."""
    return f"main/{table}/"


def is_object(path: str) -> bool:
    """Whether a file is a kept one, by its path on any tier."""
    return path.startswith(f"{OBJECTS}/")


def object_run(path: str) -> str:
    """The run of a kept file, by its path, relative or absolute, or its URL."""
    return unquote(path.split("/")[-2])


def partition_values(path: str) -> dict[str, str | None]:
    """The values of the partition that a data file is in, by column, as its path spells them.

    Args:
        path: relative or absolute, or a URL.
    """
    found: dict[str, str | None] = {}
    for folder in path.split("/")[:-1]:
        column, equals, text = folder.partition("=")
        if equals:
            found[column] = None if text == NULL_PARTITION else unquote(text)
    return found


def _spell(column: str, value: str | int | None) -> str:
    if value is None:
        return NULL_PARTITION
    text = quote(str(value), safe="")
    if not text or text == NULL_PARTITION or len(column) + 1 + len(text) > NAME_MAX:
        raise InputError(
            f"{value!r} cannot be a {column}",
            "",
            f"Choose one of 1 to {NAME_MAX - 1 - len(column)} characters",
        )
    return text
