"""Kept objects that no snapshot tells of any more, put where DuckLake puts data files that none needs."""

import duckdb

from baselake.catalog.catalog import Catalog
from baselake.catalog.connection import first_line
from baselake.catalog.upkeep.needed import ever, kept_objects
from baselake.errors import LakeError

# Paths in the list are relative to the data folder.
UP = "../"
_LIST = "__ducklake_metadata_lake.ducklake_files_scheduled_for_deletion"


def schedule_objects(catalog: Catalog) -> None:
    """Schedule objects that were committed once and that no snapshot left tells of; the commit lock must be held.

    One that came again meanwhile, for its content is the same, is taken off the list.

    Raises:
        LakeError: a table cannot be read, or the catalog refused the change.
    """
    needed = {UP + file.path for file in kept_objects(catalog)}
    told = {UP + path for row in ever(catalog, "lineage", "outputs") for path in row["outputs"]}
    root = catalog.layout.data
    cursor = catalog.connection.cursor()
    try:
        listed = {path for (path,) in cursor.execute(f"SELECT path FROM {_LIST}").fetchall()}
        objects = {path for path in told if path.startswith(f"{UP}{catalog.layout.objects.name}/")}
        going = [path for path in sorted(objects - needed - listed) if (root / path).exists()]
        cursor.execute("BEGIN")
        for path in sorted(listed & needed):
            cursor.execute(f"DELETE FROM {_LIST} WHERE path = ?", [path])
        for path in going:
            cursor.execute(f"INSERT INTO {_LIST} VALUES (NULL, ?, true, now())", [path])
        cursor.execute("COMMIT")
    except duckdb.Error as error:
        raise LakeError(
            f"the catalog refused to let objects go ({first_line(error)})",
            str(catalog.layout.root),
            "Run the same command again",
        ) from error
    finally:
        cursor.close()
