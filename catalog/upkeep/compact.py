"""Small files made into large ones.

Every commit leaves files as small as what it brought. Those of one partition are read with what was deleted of them
left out, written again as the table's files are, and exchanged in one transaction: the new file comes, the rows of the
old ones are deleted. Earlier snapshots show the old files still; expiry frees them.

DuckLake's own `merge_adjacent_files` is not used: it writes while it holds the commit lock, and by DuckDB's writer,
which knows none of our encodings (docs/decisions.md has the measurement).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
import pyarrow as pa

from baselake.catalog.backends import backend_of
from baselake.catalog.catalog import Catalog
from baselake.catalog.connection import duckdb_path, quoted
from baselake.catalog.job import Job, Transaction
from baselake.errors import LakeError, NotFoundError
from baselake.lake.schema import (
    BLOCK_ROW,
    SHARED,
    SUMMED,
    TABLES,
    TILE_ROWS,
    TableSpec,
    shown_name,
    stored_name,
)
from baselake.progress import QUIET, Progress

# Files are made as large as those of an alignment job (lake/sorting.py); what has a quarter of that stays.
TARGET_BYTES = 128 << 20
# With fewer small files there is little to win.
MIN_FILES = 8
# A file of which so much was deleted is written again without.
_DELETED = 0.2
# Deleting the rows of old files takes 0.2 s a million under the commit lock.
_MAX_ROWS = 4_000_000
# Rows of equal start keep the order in which they came, which is the order of row numbers; rows that are written
# again get new, higher ones, so that only the last files of a partition may be.
_ORDERED = frozenset({"alignments"})
_TILE = "tile_of_file"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFile:
    """A file of rows that the newest snapshot holds.

    Attributes:
        table: its table, as users call it.
        file_id: DuckLake's number of it.
        name: the last element of its path.
        hot: it is in the hot tier.
        location: absolute path or URL.
        bytes: its size.
        rows: in it.
        deleted: of these, deleted since.
        delete_file_id: the file that tells which; -1: none.
        first_row: the number of its first row.
        columns: that the table is partitioned by; None: none.
        partition: their values, as text.
    """

    table: str
    file_id: int
    name: str
    hot: bool
    location: str
    bytes: int
    rows: int
    deleted: int
    delete_file_id: int
    first_row: int
    columns: list[str] | None
    partition: list[str | None] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """What was done for one partition, or is to be.

    Attributes:
        table: the table.
        partition: as `column=value`, with blanks between.
        files: that were written again.
        bytes: of these.
        bytes_after: of the file that holds their rows now; None: nothing was written.
        outcome: `planned`, `done`, or `changed`: somebody else changed the files meanwhile, and they stay as they are.
    """

    table: str
    partition: str
    files: int
    bytes: int
    bytes_after: int | None
    outcome: str


class _ChangedError(Exception):
    """The files are not what they were when they were read."""


def compact(
    catalog: Catalog,
    tables: Sequence[str] = (),
    *,
    min_files: int = MIN_FILES,
    target_bytes: int = TARGET_BYTES,
    progress: Progress = QUIET,
) -> list[Compacted]:
    """Write small files of the hot tier again as large ones; readers and writers go on meanwhile.

    The maintenance lock is held for one new file at a time, the commit lock only to exchange files.

    Args:
        catalog: the lake.
        tables: which; none means all.
        min_files: small files a partition must have before they are touched.
        target_bytes: size of the files to make.
        progress: counts files.

    Raises:
        NotFoundError: no such table.
        LakeError: another process maintains the lake, or the catalog refused a transaction.
        StorageError: the disk is full or fails.
    """
    groups = plan(catalog, tables, min_files=min_files, target_bytes=target_bytes)
    done = []
    backend = backend_of(catalog.layout, catalog.config)
    with progress.task("compact", total=sum(map(len, groups)), unit="files") as task:
        for group in groups:
            with backend.maintenance_lock(catalog.config.commit_timeout_seconds):
                # Another compaction may have been at it while this one waited.
                same = _unchanged(catalog, group)
                done.append(_rewrite(catalog, group) if same else _told(group, None, "changed"))
            task.advance(len(group))
    return done


def planned(groups: Iterable[Sequence[LiveFile]]) -> list[Compacted]:
    """What `compact` would do with the groups of a plan."""
    return [_told(group, None, "planned") for group in groups]


def plan(
    catalog: Catalog,
    tables: Sequence[str] = (),
    *,
    min_files: int = MIN_FILES,
    target_bytes: int = TARGET_BYTES,
) -> list[list[LiveFile]]:
    """The files to write again, those of one new file together.

    Raises:
        NotFoundError: no such table.
    """
    there = set(
        map(
            shown_name,
            catalog.query(
                "SELECT table_name FROM __ducklake_metadata_lake.ducklake_table WHERE end_snapshot IS NULL"
            )["table_name"].to_pylist(),
        )
    )
    for table in tables:
        if table not in there:
            raise NotFoundError(f"no table {table!r}", "", f"The tables are {', '.join(sorted(there))}")
    groups = []
    for (table, _), here in _by_partition(live_files(catalog)).items():
        if tables and table not in tables:
            continue
        chosen = _last(here, target_bytes) if table in _ORDERED else _small(here, target_bytes)
        dirty = any(file.deleted >= _DELETED * file.rows for file in chosen)
        if len(chosen) >= min_files or dirty:
            groups += [group for group in _chunks(chosen, target_bytes) if len(group) > 1 or group[0].deleted]
    return groups


def _by_partition(files: Iterable[LiveFile]) -> dict[tuple[str, tuple[str | None, ...]], list[LiveFile]]:
    """The files of each partition, as the table is partitioned now: calls of earlier releases are by sample."""
    found: dict[tuple[str, tuple[str | None, ...]], list[LiveFile]] = {}
    for file in files:
        values = dict(zip(file.columns or [], file.partition or [], strict=True))
        spec = TABLES.get(file.table)
        wanted = values if spec is None or not set(spec.partition_by) <= set(values) else spec.partition_by
        found.setdefault((file.table, tuple(values[column] for column in wanted)), []).append(file)
    return found


def live_files(catalog: Catalog, table: str | None = None) -> list[LiveFile]:
    """The files of rows of the newest snapshot, of all tables or one, by table, partition and row number."""
    parameters = {"data": f"{catalog.layout.data}/", "table": stored_name(table) if table else None}
    rows = catalog.query(catalog.statement("live_files"), parameters)
    return [LiveFile(**{**row, "table": shown_name(row["table"])}) for row in rows.to_pylist()]


def _small(files: Sequence[LiveFile], target_bytes: int) -> list[LiveFile]:
    """Small files, and those of which much was deleted.

    A file is written again only together with as much again of smaller ones: so a byte is written as often as the
    logarithm of what comes after it.
    """
    dirty = [file for file in files if file.hot and file.deleted >= _DELETED * file.rows]
    small = [
        file
        for file in files
        if file.hot and file not in dirty and file.bytes < target_bytes // 4 and _left(file) < _MAX_ROWS // 4
    ]
    small.sort(key=lambda file: file.bytes)
    while small and small[-1].bytes > sum(file.bytes for file in (*small[:-1], *dirty)):
        small.pop()
    return sorted([*small, *dirty], key=lambda file: file.first_row)


def _last(files: Sequence[LiveFile], target_bytes: int) -> list[LiveFile]:
    """The last files of a partition, as many as fill one, none of them larger than the others together."""
    chosen: list[LiveFile] = []
    size = rows = largest = wanted = 0
    for file in reversed(files):
        size += file.bytes
        rows += _left(file)
        largest = max(largest, file.bytes)
        if not file.hot or size > target_bytes or rows > _MAX_ROWS:
            break
        chosen.append(file)
        if largest <= size - largest or file.deleted >= _DELETED * file.rows:
            wanted = len(chosen)
    return chosen[:wanted][::-1]


def _chunks(files: Sequence[LiveFile], target_bytes: int) -> Iterator[list[LiveFile]]:
    chunk: list[LiveFile] = []
    size = rows = 0
    for file in files:
        if chunk and (size + file.bytes > target_bytes or rows + _left(file) > _MAX_ROWS):
            yield chunk
            chunk, size, rows = [], 0, 0
        chunk.append(file)
        size += file.bytes
        rows += _left(file)
    if chunk:
        yield chunk


def _left(file: LiveFile) -> int:
    return file.rows - file.deleted


def _rewrite(catalog: Catalog, files: Sequence[LiveFile]) -> Compacted:
    table = files[0].table
    parameters = {"table": table, "partition": _partition(files[0]) or None, "files": len(files)}
    with catalog.job("compact", parameters) as job:
        job.inputs += [_in_lake(catalog, file) for file in files]
        job.bytes_near += sum(file.bytes for file in files)
        try:
            written = _write(catalog, job, files)
            if files[0].table not in SUMMED and written != sum(map(_left, files)):
                raise _ChangedError
            with job.commit() as tx:
                _exchange(catalog, tx, files)
        except _ChangedError:
            return _told(files, None, "changed")
        return _told(files, job.bytes_written, "done")


def _write(catalog: Catalog, job: Job, files: Sequence[LiveFile]) -> int:
    """Write the rows that are left of the files to a new one; their number."""
    batches = _rows(catalog, files)
    first = next(batches, None)
    if first is None:
        return 0
    table = files[0].table
    # A table of no bulk has no encodings to keep, and the types that DuckDB gives its columns.
    spec = TABLES.get(table) or TableSpec(name=table, schema=first.schema)
    if _TILE in first.schema.names:
        spec = SHARED[table]
    partition = {column: first[column][0].as_py() for column in spec.partition_by}
    written = 0
    with job.writer_of(spec, partition) as out:
        for rows in _tiles(chain([first], batches)):
            if rows is None:
                out.cut()
            else:
                out.write(rows)
                written += rows.num_rows
    return written


def _tiles(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch | None]:
    """Batches cut where a tile ends, None between tiles, without the number of the tile."""
    last = None
    for batch in batches:
        if _TILE not in batch.schema.names:
            yield batch
            continue
        numbers = batch[_TILE].to_numpy()
        rows = batch.drop_columns([_TILE])
        cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        for first, end in pairwise(cuts):
            if last is not None and numbers[first] != last:
                yield None
            last = numbers[first]
            yield rows.slice(first, end - first)


def _samples_of(catalog: Catalog, files: Sequence[LiveFile]) -> list[str]:
    found: list[str] = catalog.query(
        f"SELECT DISTINCT sample_id FROM {files[0].table} WHERE {_where(catalog, files)}"
    )["sample_id"].to_pylist()
    return found


def _rows(catalog: Catalog, files: Sequence[LiveFile]) -> Iterator[pa.RecordBatch]:
    """The rows in the order of the new file: sorted as the table is, else file by file as they stand.

    Of a table of sums rows of one key become one.
    """
    table = files[0].table
    spec = TABLES.get(table)
    stored, columns = stored_name(table), "*"
    stream: Callable[[str], Iterable[pa.RecordBatch]] = catalog.stream
    if spec is not None and spec.stored is not None:
        # A block is only whole in its file: its rows are decoded, and the writer codes them anew.
        places = ["filename", "file_row_number", BLOCK_ROW]
        columns = ", ".join(f'"{column}"' for column in [*spec.schema.names, *places])
        stream = catalog.stream_records
    if table in SHARED and len(samples := _samples_of(catalog, files)) > 1:
        # As an import of so many samples would have laid them out: as many row groups to a stretch of the contig as
        # there are stretches, so that neither a region nor a person is in all of them.
        groups = max(1, sum(map(_left, files)) // TILE_ROWS)
        blocks = min(max(1, round(groups**0.5)), len(samples))
        parameters = {
            "where": _where(catalog, files),
            "per_block": -(-len(samples) // blocks),
            "stretches": max(1, groups // blocks),
            "table": table,
        }
        queries = [catalog.statement("tiles").format(**parameters)]
    elif spec is not None and table in SUMMED:
        keys = [name for name in spec.schema.names if name not in SUMMED[table]]
        kinds = {
            name: "DOUBLE" if spec.schema.field(name).type == pa.float64() else "INTEGER"
            for name in SUMMED[table]
        }
        sums = [f'CAST(sum("{name}") AS {kind}) AS "{name}"' for name, kind in kinds.items()]
        quoted_keys = ", ".join(f'"{key}"' for key in keys)
        something = " OR ".join(f'sum("{name}") <> 0' for name in kinds)
        queries = [
            f'SELECT {quoted_keys}, {", ".join(sums)} FROM "{stored}" WHERE {_where(catalog, files)}'
            f" GROUP BY {quoted_keys}"
            # What was added and taken away again is nothing.
            f" HAVING {something} ORDER BY {quoted_keys}"
        ]
    elif spec is not None and spec.sort_by:
        order = ", ".join(f'"{column}"' for column in (*spec.sort_by, "rowid"))
        queries = [f'SELECT {columns} FROM "{stored}" WHERE {_where(catalog, files)} ORDER BY {order}']
    else:
        queries = [f'SELECT {columns} FROM "{stored}" WHERE {_where(catalog, [file])}' for file in files]
    for query in queries:
        for batch in stream(query):
            if batch.num_rows:
                yield batch


def _exchange(catalog: Catalog, tx: Transaction, files: Sequence[LiveFile]) -> None:
    """Delete the rows that were written again, if they are still the same; nobody else commits meanwhile."""
    if not _unchanged(catalog, files):
        raise _ChangedError
    rows = sum(map(_left, files))
    if rows:
        (deleted,) = tx.query(f'DELETE FROM "{stored_name(files[0].table)}" WHERE {_where(catalog, files)}')[
            "Count"
        ].to_pylist()
        if deleted != rows:
            raise LakeError(
                f"{deleted} rows of {files[0].table} would go and {rows} come",
                files[0].location,
                "Run: baselake doctor",
            )


def _unchanged(catalog: Catalog, files: Sequence[LiveFile]) -> bool:
    """Whether the newest snapshot has the files as they were, and where they were."""
    now = {file.file_id: file for file in live_files(catalog, files[0].table)}
    return all(now.get(file.file_id) == file for file in files)


def _where(catalog: Catalog, files: Sequence[LiveFile]) -> str:
    """The rows of files of one partition; what the partition says lets DuckLake skip other files unlooked at."""
    common = set.intersection(
        *(set(zip(file.columns or [], file.partition or [], strict=True)) for file in files)
    )
    partition = sorted(common, key=str)
    conditions = [
        f'"{column}" IS NULL' if value is None else f'"{column}" = {quoted(value)}'
        for column, value in partition
    ]
    names = ", ".join(quoted(duckdb_path(file.location, catalog.config)) for file in files)
    return " AND ".join([*conditions, f"filename IN ({names})"])


def _partition(file: LiveFile) -> str:
    spec = TABLES.get(file.table)
    values = [
        (column, value)
        for column, value in zip(file.columns or [], file.partition or [], strict=True)
        if spec is None or column in spec.partition_by
    ]
    return " ".join(f"{column}={'NULL' if value is None else value}" for column, value in values)


def _in_lake(catalog: Catalog, file: LiveFile) -> str:
    return file.location.removeprefix(f"{catalog.layout.root}/")


def _told(files: Sequence[LiveFile], bytes_after: int | None, outcome: str) -> Compacted:
    return Compacted(
        table=files[0].table,
        partition=_partition(files[0]),
        files=len(files),
        bytes=sum(file.bytes for file in files),
        bytes_after=bytes_after,
        outcome=outcome,
    )
