"""Kept files of runs that name a sample: sample sheets without its lines, other files with its identifier blanked."""

from collections.abc import Sequence
from dataclasses import dataclass

from baselake.catalog.catalog import Catalog
from baselake.catalog.erase.history import RowFile, history
from baselake.catalog.erase.subject import Subject
from baselake.catalog.objects import object_location, object_places
from baselake.lake.location import location_exists, open_location

_COMPRESSED = (".gz", ".bz2", ".zip", ".zst", ".pod5")
# Signal of single reads, which a run of several samples has in common.
_RAW_SIGNAL = "pod5"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """A file that is kept byte by byte and concerns the sample.

    Attributes:
        path: in the lake, relative to it.
        run_id: its run.
        name: its path in the run's folder.
        size: in bytes.
        sha256: as the lake has it.
        content: what it is to hold instead; None: it goes as a whole.
    """

    path: str
    run_id: str
    name: str
    size: int
    sha256: str
    content: bytes | None


def kept_files(
    catalog: Catalog, files: Sequence[RowFile], subject: Subject
) -> tuple[list[KeptFile], list[str]]:
    """The kept files of any snapshot that concern a sample, and those of which it cannot be told or helped.

    Returns:
        what is to be done, and sentences about what cannot be.
    """
    places = object_places(catalog.connection)
    found: dict[str, KeptFile] = {}
    beyond: dict[str, str] = {}
    for _, rows, _ in history(files, "objects"):
        for row in rows.to_pylist():
            path, run = row["path"], row["run_id"]
            if run not in subject.runs or path in found:
                continue
            common = {key: row[key] for key in ("path", "run_id", "name", "sha256")} | {"size": row["bytes"]}
            there = object_location(catalog.layout, path, places)
            if run in subject.own_runs:
                found[path] = KeptFile(**common, content=None)
            elif row["kind"] == _RAW_SIGNAL:
                beyond[path] = f"raw signal of several samples: {path}"
            elif path.lower().endswith(_COMPRESSED):
                beyond[path] = f"compressed, and not looked into: {path}"
            elif location_exists(there) and (content := _without(there, subject)) is not None:
                found[path] = KeptFile(**common, content=content)
    return list(found.values()), sorted(beyond.values())


def _without(location: str, subject: Subject) -> bytes | None:
    """A file's bytes without the sample; None where they do not name it."""
    with open_location(location) as file:
        data = file.read()
    if not subject.who.occurrences(data):
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return subject.who.without_bytes(data)
    return subject.who.without_lines(text).encode()
