"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from baselake.errors import BaselakeError, NotFoundError
from baselake.lake.parquet import storage_error, sync_folder


@contextmanager
def replacing(target: Path, *companions: str) -> Iterator[Path]:
    """A path to write to, which becomes `target` when the block ends well and vanishes when it does not.

    The temporary name lies beside the target and ends as the target does, so that tools which go by the ending
    behave. Companions are endings of files that belong to it (`.tbi`): they go along, and old ones are removed
    before the new file shows, so that an index never stands beside another file's data.

    Raises:
        NotFoundError: the target's folder does not exist.
        StorageError: the disk is full or fails.
    """
    if not target.parent.is_dir():
        raise NotFoundError("no such folder", str(target.parent), f"Run: mkdir -p {target.parent}")
    temporary = target.with_name(f".{os.getpid()}.{target.name}")
    endings = ("", *companions)
    try:
        yield temporary
        for ending in companions:
            _beside(target, ending).unlink(missing_ok=True)
        for ending in endings:
            if _beside(temporary, ending).exists():
                os.replace(_beside(temporary, ending), _beside(target, ending))
        sync_folder(target.parent)
    except BaselakeError:
        raise
    except OSError as error:
        raise storage_error(error, target) from error
    finally:
        for ending in endings:
            _beside(temporary, ending).unlink(missing_ok=True)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
