"""Whether one file is what the catalog says: there, as large, the same bytes, readable."""

import hashlib
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from xxhash import xxh3_128

from baselake.catalog.upkeep.needed import Needed, index_text
from baselake.errors import BaselakeError
from baselake.lake.keyring import keyring
from baselake.lake.location import as_plain, key_of, open_location, open_stored

_PIECE = 1 << 20
# How a Parquet file ends whose footer can be read with its key alone (Parquet modular encryption).
_ENCRYPTED = b"PARE"
_MAGIC = b"PAR1"
# What each kind of finding means and what is to be done; `doctor --repair` does it where it can.
_MEND = "baselake doctor --repair, with --from BACKUP where the copy is there"
_REMEDIES = {
    "missing": f"Bring the file back from a backup: {_MEND}",
    "truncated": f"Its end is lost; bring it back from a backup: {_MEND}. Then look at the disk",
    "grown": f"Something wrote to it; bring it back from a backup: {_MEND}",
    "damaged": f"Bytes have changed on the disk; bring it back from a backup: {_MEND}. Then look at the disk",
    "unreadable": "Mend the store (disk, network, permissions), then run baselake doctor again",
    "no Parquet": f"Bring it back from a backup: {_MEND}",
    "stale size": "Only the catalog's figure is wrong, and queries may fail by it: baselake doctor --repair",
    "no key": "Bring the key back from a copy of the keyring: without it the file is lost, and all copies of it",
    "stray key": "No file of the lake has this name: baselake doctor --repair destroys the key",
    "row count": "The catalog counts other rows than there are; report it, and restore the catalog from a backup",
    "orphan": "Nothing refers to it: baselake doctor --repair removes it when it is old enough",
    "dead job": "The next writer clears up after it, and so does baselake doctor --repair",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: missing, truncated, grown, damaged, unreadable, no Parquet, no key, stale size, row count, orphan,
            stray key or dead job.
        path: relative to the lake, or absolute path or URL.
        table: whose; None: of no table.
        what: what was found against what should be.
        concerns: what of the lake it is about; None: of nothing.
        remedy: what to do.
        outcome: `repaired`, why it could not be, or None: nothing was tried.
    """

    kind: str
    path: str
    table: str | None
    what: str
    concerns: str | None
    remedy: str
    outcome: str | None = None

    @property
    def mended(self) -> bool:
        """It is no longer so."""
        return self.outcome is not None and self.outcome.startswith("repaired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the check of a file gave.

    Attributes:
        needed: the file.
        finding: what is wrong; None: nothing.
        bytes: its size; None: it could not be told.
        checksum: of its bytes, where they were read and are sound.
    """

    needed: Needed
    finding: Finding | None
    bytes: int | None = None
    checksum: str | None = None


def finding(needed: Needed, kind: str, what: str) -> Finding:
    """A finding about a file that is needed."""
    return Finding(
        kind=kind,
        path=needed.path,
        table=needed.table,
        what=what,
        concerns=needed.concerns,
        remedy=_REMEDIES[kind],
    )


def stray(kind: str, path: str, what: str) -> Finding:
    """A finding about something that nothing needs."""
    return Finding(kind=kind, path=path, table=None, what=what, concerns=None, remedy=_REMEDIES[kind])


def untold(error: BaselakeError) -> Finding:
    """A finding about a table that tells of files and cannot be read itself."""
    return Finding(
        kind="unreadable",
        path=error.where,
        table=None,
        what=f"{error.what}: the files that it tells of were not looked at",
        concerns=None,
        remedy=error.remedy,
    )


def check(needed: Needed, *, quick: bool) -> Checked:
    """Look at a file, a piece at a time.

    Args:
        needed: which.
        quick: do not read it all: its size and footer only.
    """
    try:
        # What came into the lake by its SHA-256 is known by what it is, what was written here by how it is stored.
        opened = open_location if needed.algorithm == "sha256" else open_stored
        with opened(needed.location) as file:
            size = file.seek(0, 2)
            file.seek(0)
            return _check(needed, file, size, quick=quick)
    except FileNotFoundError:
        return Checked(needed=needed, finding=finding(needed, "missing", "the file is not there"))
    except OSError as error:
        return Checked(needed=needed, finding=finding(needed, "unreadable", error.strerror or str(error)))


def _check(needed: Needed, file: BinaryIO, size: int, *, quick: bool) -> Checked:
    came = needed.written_bytes if needed.written_bytes is not None else needed.bytes
    summed = None
    if needed.kind == "reference":
        wrong = None if quick else _contigs(needed, file)
        if wrong is not None:
            return Checked(needed=needed, finding=wrong)
    elif needed.kind == "index":
        if size == needed.bytes and file.read() != index_text(needed.contigs):
            return Checked(
                needed=needed, finding=finding(needed, "damaged", "it is not this assembly's index")
            )
    elif not quick:
        summed = _sum(file, needed.algorithm)
    known = summed is not None and needed.checksum is not None
    if not (known and summed == needed.checksum):
        if came is not None and size != came:
            kind = "truncated" if size < came else "grown"
            return Checked(needed=needed, finding=finding(needed, kind, f"{size:,} bytes of {came:,}"))
        if known:
            what = f"its checksum is {summed}, not {needed.checksum}"
            return Checked(needed=needed, finding=finding(needed, "damaged", what))
    if needed.rows is not None:
        wrong = _footer(needed, as_plain(file, needed.location))
        if wrong is not None:
            return Checked(needed=needed, finding=wrong)
    # The bytes are those that came: where a size is another one, it was noted wrongly.
    stale = [number for number in (needed.bytes, needed.written_bytes) if number not in (None, size)]
    if stale:
        what = f"the catalog says {stale[0]:,} bytes, the file is whole and has {size:,}"
        return Checked(
            needed=needed, finding=finding(needed, "stale size", what), bytes=size, checksum=summed
        )
    return Checked(needed=needed, finding=None, bytes=size, checksum=summed)


def _sum(file: BinaryIO, algorithm: str) -> str:
    digest = hashlib.sha256() if algorithm == "sha256" else xxh3_128()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _footer(needed: Needed, file: BinaryIO) -> Finding | None:
    file.seek(-4, 2)
    if file.read(4) == _ENCRYPTED:
        return None  # its checksum must do
    file.seek(0)
    try:
        rows = pq.ParquetFile(file).metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        file.seek(0)
        if keyring() is not None and key_of(needed.location) is None and file.read(4) != _MAGIC:
            return finding(needed, "no key", "it is encrypted, and the keyring has no key of its name")
        return finding(needed, "no Parquet", f"its footer cannot be read ({str(error).splitlines()[0]})")
    if rows != needed.rows:
        return finding(needed, "row count", f"it has {rows:,} rows, the catalog says {needed.rows:,}")
    return None


def _contigs(needed: Needed, file: BinaryIO) -> Finding | None:
    """Compare every contig of an assembly with its MD5."""
    for name, length, md5 in needed.contigs:
        header = file.readline()
        digest = hashlib.md5(usedforsecurity=False)
        left = length
        while left and (piece := file.read(min(left, _PIECE))):
            digest.update(piece)
            left -= len(piece)
        end = file.read(1)
        if left or not end:
            return finding(needed, "truncated", f"it ends within contig {name}")
        if header != f">{name}\n".encode() or end != b"\n" or digest.hexdigest() != md5:
            return finding(needed, "damaged", f"contig {name} is not what was registered (MD5 {md5})")
    if file.read(1):
        return finding(needed, "grown", "there is more after its last contig")
    return None
