"""Moving files between tiers while queries go on.

A move is: take the target down as unfinished, copy, read the copy back and compare, then change the places of a batch
of files in one transaction, which also puts their old copies on the list of those that are to go. Killed at any point,
the catalog names a whole copy of every file, and knows of every other.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
from xxhash import xxh3_128

from baselake.catalog.catalog import Catalog
from baselake.catalog.connection import duckdb_path
from baselake.catalog.metadata import metadata_change
from baselake.catalog.objects import COLD
from baselake.catalog.tiers.placement import HeldFile, Stores, current_locations, locations_of, mover_lock
from baselake.catalog.tiers.removals import Removal, pending_removals, remove_copies, rows_of
from baselake.catalog.tiers.settings import added_at
from baselake.errors import StorageError
from baselake.lake.location import key_of
from baselake.lake.partition import is_object, table_folder
from baselake.lake.store import Store, verify
from baselake.lake.tiers import HOT
from baselake.progress import QUIET, Progress, Task

# A batch: what is copied before its paths change. A crash costs as much to copy again; other movers wait so long.
_BATCH_BYTES = 4 << 30
_BATCH_FILES = 256
_COPIES_AT_ONCE = 4
# Lakes that are open look for new tiers every `HEARD_SECONDS` (catalog/tiers/remote.py); nothing moves to one before.
HEARD_SECONDS = 2.0

# By name and not by number: a file that was restored is registered more than once.
_CHANGE = """
UPDATE __ducklake_metadata_lake.ducklake_data_file AS f SET path = m.path, path_is_relative = m.is_relative
FROM moved AS m WHERE split_part(f.path, '/', -1) = m.name
"""
_SUMS = """
UPDATE __ducklake_metadata_lake.baselake_files AS f SET checksum = m.checksum
FROM moved AS m WHERE f.name = m.name AND f.checksum IS NULL
"""
# Names of data files have no folder: these are the kept files.
_FORGET_PLACES = """
DELETE FROM __ducklake_metadata_lake.baselake_object_places WHERE path IN (SELECT name FROM moved)
"""
_PLACES = """
INSERT INTO __ducklake_metadata_lake.baselake_object_places (path, location)
SELECT name, path FROM moved WHERE starts_with(name, 'objects/') AND NOT is_relative
"""
_REMOVALS = "__ducklake_metadata_lake.baselake_removals"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocation:
    """A file that is to lie on another tier."""

    file: HeldFile
    tier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copied:
    """A copy that was compared with its source: where, and the checksum of both."""

    relocation: Relocation
    source: str
    target: str
    checksum: str


def relocate(
    catalog: Catalog, relocations: Iterable[Relocation], progress: Progress = QUIET
) -> tuple[int, int]:
    """Move files; the number of those moved and their bytes.

    What can be moved is, whatever fails; then the first failure is raised. A file that another process moved or
    dropped meanwhile is left as it is.

    Args:
        catalog: the lake, open for writing.
        relocations: the files and their tiers.
        progress: counts bytes.

    Raises:
        StorageError: a store fails or is full, or a file is damaged.
        LakeError: the catalog refuses.
    """
    wanted = list(relocations)
    if not wanted:
        return 0, 0
    files = size = 0
    failures: list[Exception] = []
    _wait_until_heard(catalog, {one.tier for one in wanted})
    with progress.task("move", total=sum(one.file.bytes for one in wanted), unit="bytes") as task:
        for batch in _batches(wanted):
            with mover_lock(catalog, progress):
                remove_copies(catalog, unfinished=True, progress=progress)
                done, failed = _move_batch(catalog, batch, task)
            files += len(done)
            size += sum(one.relocation.file.bytes for one in done)
            failures += failed
            if failed and not done:
                break  # the store is gone, most likely: it need not be told of every file
    if failures:
        raise failures[0]
    return files, size


def _wait_until_heard(catalog: Catalog, tiers: set[str]) -> None:
    added = added_at(catalog)
    newest = max((added.get(tier, 0) for tier in tiers), default=0)
    # `added` is in whole seconds, and a lake looks between two queries.
    time.sleep(min(max(0.0, newest + 1 + HEARD_SECONDS - time.time()), 1 + HEARD_SECONDS))


def _batches(relocations: Sequence[Relocation]) -> Iterator[list[Relocation]]:
    batch: list[Relocation] = []
    size = 0
    for one in relocations:
        own = one.file.bytes
        if batch and (size + own > _BATCH_BYTES or len(batch) == _BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += own
    if batch:
        yield batch


def _move_batch(
    catalog: Catalog, batch: Sequence[Relocation], task: Task
) -> tuple[list[_Copied], list[Exception]]:
    stores = Stores(catalog)
    now_at = locations_of(catalog, [one.file.name for one in batch])
    here = [one for one in batch if now_at.get(one.file.name) == one.file.location]
    targets = [stores.of(one.tier, one.file.path).location(one.file.path) for one in here]
    _journal(catalog, here, targets)

    def copy(relocation: Relocation, target: str) -> _Copied | Exception:
        file = relocation.file
        try:
            source, to = stores.find(file.location)[0], stores.of(relocation.tier, file.path)
            mark = _copy(source, to, file, task.advance)
        except StorageError as error:
            return error
        return _Copied(relocation=relocation, source=file.location, target=target, checksum=mark)

    with ThreadPoolExecutor(_COPIES_AT_ONCE) as pool:
        outcomes = list(pool.map(copy, here, targets))
    done = _register(catalog, [one for one in outcomes if isinstance(one, _Copied)])
    return done, [one for one in outcomes if isinstance(one, Exception)]


def _journal(catalog: Catalog, batch: Sequence[Relocation], targets: Sequence[str]) -> None:
    """Take the targets down before there is a byte of them.

    A target that is on the list already, being an old copy that queries may still read, stays there as it is.
    """
    listed = {one.location for one in pending_removals(catalog)}
    new = [
        Removal(
            location=target,
            name=one.file.name,
            bytes=one.file.bytes,
            reason="unfinished",
            not_before=int(time.time()),
        )
        for one, target in zip(batch, targets, strict=True)
        if target not in listed
    ]
    if new:
        rows = rows_of(catalog, new)
        with metadata_change(catalog, "the move") as cursor:
            cursor.register("new_rows", rows.__arrow_c_stream__())
            cursor.execute(f"INSERT INTO {_REMOVALS} BY NAME SELECT * FROM new_rows")


def _copy(source: Store, target: Store, file: HeldFile, count: Callable[[int], None]) -> str:
    """Copy a file and compare; its checksum."""
    name = file.path
    if target.size(name) == file.bytes and (there := _summed(file, target.get(name))).proven:
        # An old copy that has not gone yet.
        count(file.bytes)
        return there.checksum
    if source.size(name) not in (file.bytes, None):  # one that is not there is told by `get`
        raise _damaged(file.location, "it has not the size that was written")
    came = _Sums(file)

    def pieces() -> Iterator[bytes]:
        for piece in source.get(name):
            came.add(piece)
            count(len(piece))
            yield piece

    target.put(name, pieces(), file.bytes)
    if came.wrong:
        target.delete(name)
        raise _damaged(file.location, "its bytes are not those that were written")
    verify(target, name, file.bytes, came.checksum)
    return came.checksum


class _Sums:
    """What the bytes of a file add up to, as they pass: as they are stored, and of a kept file as they came."""

    def __init__(self, file: HeldFile) -> None:
        self._file = file
        self._stored = xxh3_128()
        self._came = hashlib.sha256()
        self._plain: Callable[[bytes], bytes] = bytes
        if file.sha256 is not None and (key := key_of(file.location)) is not None:
            from baselake.lake.encryption import cipher_at  # imported here: most lakes do not need it

            self._plain = cipher_at(key, 0).update

    def add(self, piece: bytes) -> None:
        self._stored.update(piece)
        if self._file.sha256 is not None:
            self._came.update(self._plain(piece))

    @property
    def checksum(self) -> str:
        return self._stored.hexdigest()

    @property
    def wrong(self) -> bool:
        """They are not those that came into the lake."""
        return self._file.checksum not in (None, self.checksum) or self._file.sha256 not in (
            None,
            self._came.hexdigest(),
        )

    @property
    def proven(self) -> bool:
        """They are those that came into the lake, of which it is known what they add up to."""
        return not self.wrong and (self._file.checksum or self._file.sha256) is not None


def _summed(file: HeldFile, pieces: Iterable[bytes]) -> _Sums:
    sums = _Sums(file)
    for piece in pieces:
        sums.add(piece)
    return sums


def _damaged(where: str, how: str) -> StorageError:
    return StorageError(f"the file is damaged, and not moved: {how}", where, "Restore it from another copy")


def _register(catalog: Catalog, copied: Sequence[_Copied]) -> list[_Copied]:
    """Change the paths of copied files in one transaction; those whose path was changed."""
    if not copied:
        return []
    stores = Stores(catalog)
    kinds = {tier.name: tier.kind for tier in stores.tiers}
    columns: dict[str, list[object]] = {
        "name": [],
        "path": [],
        "is_relative": [],
        "checksum": [],
    }
    for one in copied:
        file, tier = one.relocation.file, one.relocation.tier
        relative = file.path.removeprefix(table_folder(file.table))
        shown = one.target if is_object(file.path) else duckdb_path(one.target, catalog.config)
        if kinds[tier] == "cold":
            shown = f"{COLD}{one.target}"
        columns["name"].append(file.name)
        columns["path"].append(relative if tier == HOT else shown)
        columns["is_relative"].append(tier == HOT)
        columns["checksum"].append(one.checksum)
    rows = pa.table(columns)
    with metadata_change(catalog, "the move") as cursor:
        # The time from which nobody plans a query with the old paths any more.
        removals = rows_of(
            catalog,
            [_superseded(one, int(time.time()) + catalog.config.tier_grace_seconds) for one in copied],
        )
        # Nobody commits meanwhile: what compaction, expiry or an erasure took away since is seen here.
        now_at = current_locations(catalog, cursor, [one.relocation.file.name for one in copied])
        mask = pa.array([now_at.get(one.relocation.file.name) == one.source for one in copied])
        done = [one for one, still in zip(copied, mask.to_pylist(), strict=True) if still]
        cursor.register("moved", rows.filter(mask))
        for statement in (_CHANGE, _SUMS, _FORGET_PLACES, _PLACES):
            cursor.execute(statement)
        cursor.execute(
            f"DELETE FROM {_REMOVALS} WHERE list_contains(?, location)",
            [[stores.kept(place) for one in done for place in (one.source, one.target)]],
        )
        cursor.register("new_rows", removals.filter(mask))
        cursor.execute(f"INSERT INTO {_REMOVALS} BY NAME SELECT * FROM new_rows")
    return done


def _superseded(copied: _Copied, not_before: int) -> Removal:
    file = copied.relocation.file
    return Removal(
        location=copied.source, name=file.name, bytes=file.bytes, reason="moved", not_before=not_before
    )
