"""Which files queries read, so that policy knows what is warm.

DuckDB's log of its file system says which files each query opened. A process writes what it opened below LAKE/reads/
when it closes the lake, and now and then before; who moves files adds it up. On a lake that cannot be written nothing
is kept. A count says that a query opened a file, not how much of it was read; files whose statistics answered the
query were not opened and do not count; a process that is killed takes its last counts with it.
"""

import json
import os
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from baselake.catalog.metadata import metadata_change
from baselake.lake.partition import LakeLayout

if TYPE_CHECKING:
    from baselake.catalog.catalog import Catalog

_TABLE = "__ducklake_metadata_lake.baselake_file_reads"
_PART = ".part"
_ABANDONED_SECONDS = 3600.0  # a file of counts is written in milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """How often queries opened a file, and when last, in seconds since 1970."""

    reads: int
    last_read: int


def read_heat(catalog: "Catalog") -> dict[str, Heat]:
    """Of every file that was ever read, by name: what has been added up, and what lies below LAKE/reads/."""
    rows = catalog.query(f"SELECT name, reads, last_read FROM {_TABLE}").to_pylist()
    found = {row["name"]: Heat(reads=row["reads"], last_read=row["last_read"]) for row in rows}
    return _added(found, _spooled(_spool_files(catalog.layout)))


def count_reads(catalog: "Catalog") -> int:
    """Add up what lies below LAKE/reads/; how many files of counts there were. The mover's lock must be held."""
    spool = _spool_files(catalog.layout)
    spooled = _spooled(spool)
    if spooled:
        known = {name: heat for name, heat in read_heat(catalog).items() if name in spooled}
        rows = pa.table(
            {
                "name": list(known),
                "reads": [heat.reads for heat in known.values()],
                "last_read": [heat.last_read for heat in known.values()],
            }
        )
        with metadata_change(catalog, "the counts of reads") as cursor:
            cursor.execute(f"DELETE FROM {_TABLE} WHERE list_contains(?, name)", [list(known)])
            cursor.register("new_rows", rows.__arrow_c_stream__())
            cursor.execute(f"INSERT INTO {_TABLE} BY NAME SELECT * FROM new_rows")
    # A crash before this counts them twice, which makes a file somewhat warmer than it is.
    for path in [*spool, *_abandoned(catalog.layout)]:
        path.unlink(missing_ok=True)
    return len(spool)


def _spool_files(layout: LakeLayout) -> list[Path]:
    if not layout.reads.is_dir():
        return []
    return sorted(path for path in layout.reads.iterdir() if path.suffix != _PART)


def _abandoned(layout: LakeLayout) -> list[Path]:
    """What processes that were killed had not written to its end."""
    parts = layout.reads.glob(f"*{_PART}") if layout.reads.is_dir() else ()
    return [path for path in parts if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS]


def _spooled(files: Iterable[Path]) -> dict[str, Heat]:
    found: dict[str, Heat] = {}
    for path in files:
        try:
            counts = json.loads(path.read_text())
        except FileNotFoundError:
            continue  # added up by another process since it was listed
        except ValueError:
            continue  # a power cut left its name without its content, as much as a killed process takes along
        found = _added(
            found, {name: Heat(reads=reads, last_read=last) for name, (reads, last) in counts.items()}
        )
    return found


def _added(one: Mapping[str, Heat], other: Mapping[str, Heat]) -> dict[str, Heat]:
    reads = Counter({name: heat.reads for name, heat in one.items()})
    reads.update({name: heat.reads for name, heat in other.items()})
    return {
        name: Heat(
            reads=count,
            last_read=max(heat.last_read for heat in (one.get(name), other.get(name)) if heat is not None),
        )
        for name, count in reads.items()
    }


# ---------------------------------------------------------------------------------------------------------
# The side of who reads.

_OPENED = """
SELECT split_part(path, '/', -1) AS name, count(DISTINCT query_id) AS reads
FROM duckdb_logs_parsed('FileSystem')
WHERE op = 'OPEN' AND path LIKE '%.parquet'
GROUP BY name
"""


def start_counting(connection: duckdb.DuckDBPyConnection) -> None:
    """Have DuckDB note the files that are opened, in memory."""
    connection.execute("CALL enable_logging('FileSystem')")


def spool_reads(connection: duckdb.DuckDBPyConnection, layout: LakeLayout) -> None:
    """Write down what was opened since the last time, where the lake can be written, and forget it."""
    cursor = connection.cursor()
    try:
        opened = cursor.execute(_OPENED).fetchall()
        cursor.execute("CALL truncate_duckdb_logs()")
    finally:
        cursor.close()
    note_reads(layout, dict(opened))


def note_reads(layout: LakeLayout, reads: Mapping[str, int]) -> None:
    """Write down how often files were read, by name, where the lake can be written."""
    if not reads or not os.access(layout.root, os.W_OK):
        return
    now = int(time.time())
    path = layout.reads / f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
    part = path.with_suffix(_PART)
    try:
        layout.reads.mkdir(exist_ok=True)
        part.write_text(json.dumps({name: [count, now] for name, count in reads.items()}))
        part.rename(path)
    except OSError:
        return  # a query that was answered does not fail because nobody could count it
