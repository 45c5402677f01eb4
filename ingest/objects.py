"""Files of a run that are kept as they are: raw signal, InterOp, what describes the run.

The table `objects` has the current ones; a file that came anew takes the place of the one it had been, which
earlier snapshots still show.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.ingest.compressed import file_source_id
from baselake.progress import QUIET, Progress

Kind = Literal["pod5", "interop", "metadata"]

# Files of one transaction: what a crash costs is to copy as much again.
_BATCH_BYTES = 1 << 30
# Below this a file of known size is read to see whether it is still the same one.
_REREAD_BYTES = 16 << 20
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "name", "path")),
        ("bytes", pa.int64()),
        *((name, pa.string()) for name in ("sha256", "kind", "job_id")),
    ]
)
# What describes an Illumina run, relative to its folder; the case of RunParameters.xml differs by instrument.
_ILLUMINA: tuple[tuple[str, Kind], ...] = (
    ("RunInfo.xml", "metadata"),
    ("[rR]unParameters.xml", "metadata"),
    ("RunCompletionStatus.xml", "metadata"),
    ("SampleSheet*.csv", "metadata"),
    ("InterOp/*.bin", "interop"),
    ("InterOp/C*/*.bin", "interop"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunObject:
    """A file to keep.

    Attributes:
        path: where it is.
        name: its path in the run's folder.
        kind: what it is.
    """

    path: Path
    name: str
    kind: Kind


def illumina_objects(folder: Path) -> tuple[RunObject, ...]:
    """What an Illumina run folder has that is worth keeping beside the reads, by name."""
    found = {
        path: RunObject(path=path, name=str(path.relative_to(folder)), kind=kind)
        for pattern, kind in _ILLUMINA
        for path in folder.glob(pattern)
        if path.is_file()
    }
    return tuple(found[path] for path in sorted(found))


def keep_objects(
    catalog: Catalog, run_id: str, objects: Sequence[RunObject], progress: Progress = QUIET
) -> int:
    """Copy files into the lake that are not there yet, some at a time; how many were copied.

    A file of the size of the one that is there is taken to be the same, a small one only if its content is.

    Args:
        catalog: the lake.
        run_id: their run.
        objects: the files.
        progress: counts bytes.

    Raises:
        InputError: a file changed while it was copied.
        StorageError: a file cannot be read, or the disk is full or fails.
    """
    rows = catalog.query("SELECT name, bytes, sha256 FROM objects WHERE run_id = ?", [run_id]).to_pylist()
    there = {row["name"]: (row["bytes"], row["sha256"]) for row in rows}
    new = [item for item in objects if not _is_there(item, there.get(item.name))]
    if not new:
        return 0
    total = sum(item.path.stat().st_size for item in new)
    with progress.task(f"keep files of {run_id}", total=total, unit="bytes") as task:
        for batch in _batches(new):
            with catalog.job("keep", {"run_id": run_id, "files": len(batch)}) as job:
                kept = []
                for item in batch:
                    stored = job.object(item.path, run_id, item.name)
                    job.bytes_near += stored.bytes
                    task.advance(stored.bytes)
                    kept.append(
                        {
                            "run_id": run_id,
                            "name": item.name,
                            "path": stored.path,
                            "bytes": stored.bytes,
                            "sha256": stored.sha256,
                            "kind": item.kind,
                            "job_id": job.id,
                        }
                    )
                with job.commit() as tx:
                    replaced = [item.name for item in batch if item.name in there]
                    if replaced:
                        tx.execute(
                            "DELETE FROM objects WHERE run_id = ? AND list_contains(?, name)",
                            [run_id, replaced],
                        )
                    tx.insert("objects", pa.Table.from_pylist(kept, schema=_SCHEMA))
    return len(new)


def _is_there(item: RunObject, known: tuple[int, str] | None) -> bool:
    if known is None:
        return False
    size, sha256 = known
    if item.path.stat().st_size != size:
        return False
    return size > _REREAD_BYTES or file_source_id(item.path) == sha256


def _batches(objects: Sequence[RunObject]) -> Iterator[list[RunObject]]:
    batch: list[RunObject] = []
    size = 0
    for item in objects:
        own = item.path.stat().st_size
        if batch and size + own > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += own
    if batch:
        yield batch
