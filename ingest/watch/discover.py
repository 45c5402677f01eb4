"""Run folders below a watched one, found by polling: changes on a network share are told to nobody."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from baselake.errors import BaselakeError
from baselake.ingest.run_source import RunSource
from baselake.ingest.runs import open_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A folder that is a run's, or may hold runs.

    Attributes:
        folder: the folder.
        source: the run; None where it cannot be told what is there.
        error: why not.
        listed: the folder could be listed, so that it is a run's; else runs may lie in it that are not seen now.
    """

    folder: Path
    source: RunSource | None
    error: str | None = None
    listed: bool = True


def find_runs(root: Path, depth: int) -> Iterator[Found]:
    """Yields the run folders at most `depth` levels below a folder, or the folder itself.

    Left out are hidden folders, as copying tools make for what is under way, and links to folders, which may lead in
    circles. A folder that cannot be read is told as an error and stops nothing; within a run folder no other is
    looked for.

    Raises:
        OSError: the folder itself cannot be listed: the share is gone.
    """
    entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    found = _look(root)
    if found is not None:
        yield found
        return
    if not depth:
        return
    for entry in entries:
        if entry.name.startswith(".") or not entry.is_dir(follow_symlinks=False):
            continue
        try:
            yield from find_runs(Path(entry.path), depth - 1)
        except FileNotFoundError:
            continue  # it went away since it was listed
        except OSError as error:
            what = f"{entry.path}: cannot be read now ({error.strerror or error})"
            yield Found(folder=Path(entry.path), source=None, error=what, listed=False)


def _look(folder: Path) -> Found | None:
    try:
        source = open_run(folder)
    except BaselakeError as error:
        return Found(folder=folder, source=None, error=str(error))
    return Found(folder=folder, source=source) if source is not None else None
