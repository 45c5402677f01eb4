"""Kept files that no snapshot tells of any more, put where DuckLake puts data files that none needs."""

import duckdb

from baselake.catalog.catalog import Catalog
from baselake.catalog.connection import first_line
from baselake.catalog.cursors import abandon
from baselake.catalog.ever import ever
from baselake.catalog.objects import kept_objects, object_places
from baselake.errors import LakeError
from baselake.lake.keyring import key_name
from baselake.lake.partition import is_object

_UP = "../"  # paths in the list are relative to the data folder
_LIST = "__ducklake_metadata_lake.ducklake_files_scheduled_for_deletion"


def schedule_objects(catalog: Catalog) -> None:
    """Schedule kept files that were committed once and that no snapshot left tells of; the commit lock must be held.

    One that came again meanwhile, for its content is the same, is taken off the list.

    Raises:
        LakeError: a table cannot be read, or the catalog refused the change.
    """
    needed = {kept.path for kept in kept_objects(catalog)}
    told = {path for row in ever(catalog, "lineage", "outputs") for path in row["outputs"] if is_object(path)}
    places = object_places(catalog.connection)
    root = catalog.layout.root
    cursor = catalog.connection.cursor()
    try:
        listed = {key_name(path): path for (path,) in cursor.execute(f"SELECT path FROM {_LIST}").fetchall()}
        going = [
            path for path in sorted(told - needed - listed.keys()) if path in places or (root / path).exists()
        ]
        cursor.execute("BEGIN")
        for path in sorted(listed.keys() & needed):
            cursor.execute(f"DELETE FROM {_LIST} WHERE path = ?", [listed[path]])
        for path in going:
            cursor.execute(
                f"INSERT INTO {_LIST} VALUES (NULL, ?, ?, now())",
                [places.get(path, f"{_UP}{path}"), path not in places],
            )
        cursor.execute("COMMIT")
    except duckdb.Error as error:
        raise LakeError(
            f"the catalog refused to let objects go ({first_line(error)})",
            str(catalog.layout.root),
            "Run the same command again",
        ) from error
    finally:
        abandon(cursor)
