"""Files that are kept as they came with a run: which there are, and where each lies.

The table `objects` says what a snapshot has. Where a file lies is the same for all snapshots, and stands in a plain
table of the catalog's database once it is not the lake's own folder.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from baselake.catalog.ever import ever
from baselake.lake.partition import OBJECTS, LakeLayout

if TYPE_CHECKING:
    from baselake.catalog.catalog import Catalog

_PLACES = "SELECT path, location FROM __ducklake_metadata_lake.baselake_object_places"
COLD = "cold:"  # before the location of a file that must be recalled first, as before DuckLake's paths


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptObject:
    """A kept file that some snapshot has.

    Attributes:
        path: relative to the lake while it lies there; its name everywhere.
        run_id: its run.
        name: its path in the run's folder.
        bytes: its size.
        sha256: of its bytes as they came, hexadecimal.
        job_id: of the job that brought it.
        location: absolute path or URL.
        cold: it must be recalled before it is read.
    """

    path: str
    run_id: str
    name: str
    bytes: int
    sha256: str
    job_id: str | None
    location: str
    cold: bool


def kept_objects(catalog: "Catalog") -> list[KeptObject]:
    """The kept files of all snapshots, each once.

    Raises:
        LakeError: the table cannot be read.
    """
    rows = ever(catalog, OBJECTS, "path, run_id, name, bytes, sha256, job_id")
    places = object_places(catalog.connection)
    by_path = {row["path"]: row for row in rows}
    return [
        KeptObject(**row, location=object_location(catalog.layout, path, places), cold=is_cold(path, places))
        for path, row in sorted(by_path.items())
    ]


def object_places(connection: duckdb.DuckDBPyConnection, path: str | None = None) -> dict[str, str]:
    """Where kept files lie that are not in the lake's folder, by path, as the catalog has it.

    Args:
        connection: to the lake.
        path: of the only file that is asked for; None: of all.
    """
    cursor = connection.cursor()
    try:
        where = "" if path is None else " WHERE path = ?"
        return dict(cursor.execute(f"{_PLACES}{where}", [] if path is None else [path]).fetchall())
    finally:
        cursor.close()


def object_location(layout: LakeLayout, path: str, places: Mapping[str, str]) -> str:
    """The absolute path or URL of a kept file.

    Args:
        layout: where the lake is.
        path: of the file, as `objects` has it.
        places: of `object_places`.
    """
    return places[path].removeprefix(COLD) if path in places else os.path.join(layout.root, path)


def is_cold(path: str, places: Mapping[str, str]) -> bool:
    """Whether a kept file must be recalled before it is read; arguments as `object_location`."""
    return places.get(path, "").startswith(COLD)
