"""Run folders below a watched one, found by polling: changes on a network share are told to nobody."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from baselake.errors import BaselakeError, NotFoundError
from baselake.ingest.run_source import RunSource
from baselake.ingest.runs import RUN_INFO, open_run
from baselake.ingest.watch.watched import Stamp, stamps

_NONE: Mapping[Path, "Found"] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A folder that is a run's, or may hold runs.

    Attributes:
        folder: the folder.
        source: the run; None where it cannot be told what is there.
        error: why not.
        missing: what describes the run is not there: it may still come.
        stamp: of RunInfo.xml, where it has been read; None: whatever it is, it is read again at the next look.
        listed: the folder could be listed, so that it is a run's; else runs may lie in it that are not seen now.
    """

    folder: Path
    source: RunSource | None
    error: str | None = None
    missing: bool = False
    stamp: Stamp | None = None
    listed: bool = True


def find_runs(root: Path, depth: int, known: Mapping[Path, Found] = _NONE) -> Iterator[Found]:
    """Yields the run folders at most `depth` levels below a folder, or the folder itself.

    Left out are hidden folders, as copying tools make for what is under way, and links to folders, which may lead in
    circles. A folder that cannot be read is told as an error and stops nothing; within a run folder no other is
    looked for.

    Args:
        root: the folder.
        depth: levels below it.
        known: what was found before, by folder: RunInfo.xml is not read again where it is as it was.

    Raises:
        OSError: the folder itself cannot be listed: the share is gone.
    """
    entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    found = _look(root, known)
    if found is not None:
        yield found
        return
    if not depth:
        return
    for entry in entries:
        if entry.name.startswith(".") or not entry.is_dir(follow_symlinks=False):
            continue
        try:
            yield from find_runs(Path(entry.path), depth - 1, known)
        except FileNotFoundError:
            continue  # it went away since it was listed
        except OSError as error:
            what = f"{entry.path}: cannot be read now ({error.strerror or error})"
            yield Found(folder=Path(entry.path), source=None, error=what, listed=False)


def _look(folder: Path, known: Mapping[Path, Found]) -> Found | None:
    # Before it is read: what changes meanwhile has another one at the next look.
    (stamp,) = stamps([folder / RUN_INFO]).values()
    before = known.get(folder)
    if before is not None and before.stamp is not None and before.stamp == stamp:
        return before
    try:
        source = open_run(folder)
    except BaselakeError as error:
        missing = isinstance(error, NotFoundError)
        return Found(folder=folder, source=None, error=str(error), missing=missing)
    return Found(folder=folder, source=source, stamp=stamp) if source is not None else None
