"""What an erasure under way has to finish: a folder in the lake, the last thing of the sample to go."""

import json
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from baselake.lake.parquet import sync_folder
from baselake.lake.partition import LakeLayout

_STATE = "work.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroyed:
    """A file that goes: where it is, its size and its XXH3-128."""

    location: str
    bytes: int
    checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """An erasure under way.

    Attributes:
        folder: where this is kept.
        erasure_id: says nothing of the sample.
        sample: whose rows go.
        begun: in seconds since 1970.
        snapshot_before: the newest snapshot when it began.
        read_groups: of the sample.
        rows: taken away so far, by table.
        rewritten: rows of others that said something of the sample, by table.
        files: files that were written again so far.
        destroyed: files that go, or went.
        beyond: what could not be reached.
        word: that stood for the sample in the audit.
        audit_changed: the first row of the audit that named the sample all the same, and was changed.
    """

    folder: Path
    erasure_id: str
    sample: str
    begun: int
    snapshot_before: int
    read_groups: tuple[str, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    rewritten: dict[str, int] = field(default_factory=dict)
    files: int = 0
    destroyed: tuple[Destroyed, ...] = ()
    beyond: tuple[str, ...] = ()
    word: str = ""
    audit_changed: int | None = None

    def names_file(self) -> Path:
        """Where names of reads can be set down that are not yet."""
        return self.folder / f"names-{len(self.names_files()):04d}.parquet"

    def names_files(self) -> list[Path]:
        return sorted(self.folder.glob("names-*.parquet"))

    def save(self) -> None:
        """Make it durable, before anything of the lake is changed by it."""
        state = asdict(self)
        del state["folder"]
        part = self.folder / f"{_STATE}.part"
        with open(part, "w") as out:
            json.dump(state, out)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, self.folder / _STATE)
        sync_folder(self.folder)

    def done(self) -> None:
        """Remove it."""
        shutil.rmtree(self.folder)


def begin_work(layout: LakeLayout, sample: str, begun: int, snapshot: int) -> Work:
    """Begin an erasure."""
    erasure_id = uuid.uuid4().hex
    folder = layout.erasures / erasure_id
    folder.mkdir(parents=True, mode=0o700)
    work = Work(folder=folder, erasure_id=erasure_id, sample=sample, begun=begun, snapshot_before=snapshot)
    work.save()
    return work


def unfinished_works(layout: LakeLayout) -> list[Work]:
    """The erasures that were begun and are not finished."""
    works = []
    for folder in sorted(layout.erasures.glob("*")) if layout.erasures.is_dir() else ():
        state = folder / _STATE
        if state.is_file():
            works.append(_load(folder, json.loads(state.read_text())))
    return works


def with_progress(
    work: Work,
    read_groups: Sequence[str],
    rows: dict[str, int],
    rewritten: dict[str, int],
    files: int,
    destroyed: Sequence[Destroyed],
    beyond: Sequence[str],
) -> Work:
    """The work with what one round of it adds."""
    return replace(
        work,
        read_groups=tuple(sorted({*work.read_groups, *read_groups})),
        rows=_sum(work.rows, rows),
        rewritten=_sum(work.rewritten, rewritten),
        files=work.files + files,
        destroyed=(*work.destroyed, *destroyed),
        beyond=tuple(beyond),
    )


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in sorted({*one, *other})}


def _load(folder: Path, state: dict[str, object]) -> Work:
    destroyed = tuple(Destroyed(**each) for each in state.pop("destroyed"))  # type: ignore[attr-defined]
    for key in ("read_groups", "beyond"):
        state[key] = tuple(state[key])  # type: ignore[arg-type]
    return Work(folder=folder, destroyed=destroyed, **state)  # type: ignore[arg-type]
