"""Changes of plain tables of the metadata database, which are about files and not about what they say."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from baselake.catalog.backends import backend_of
from baselake.catalog.connection import cause, disk_failure
from baselake.catalog.cursors import abandon
from baselake.errors import LakeError

if TYPE_CHECKING:
    from baselake.catalog.catalog import Catalog


@contextmanager
def metadata_change(catalog: "Catalog", what: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """One transaction of the metadata database under the commit lock; nothing of a block that raises is kept.

    Args:
        catalog: the lake, open for writing.
        what: what is changed, as the error calls it.

    Raises:
        LakeError: the lake is open for reading only, the catalog refused it, or another writer held the lock too long.
    """
    if catalog.read_only:
        raise LakeError("the lake is open for reading only", str(catalog.layout.root), "Open it for writing")
    lock = backend_of(catalog.layout, catalog.config).commit_lock(catalog.config.commit_timeout_seconds)
    with lock as check_held:
        cursor = catalog.connection.cursor()
        try:
            cursor.execute("BEGIN")
            yield cursor
            check_held()
            cursor.execute("COMMIT")
        except duckdb.Error as error:
            raise disk_failure(error, str(catalog.layout.root)) or LakeError(
                f"the catalog refused {what} ({cause(error)})",
                str(catalog.layout.root),
                "Nothing was changed; run the same command again",
            ) from error
        finally:
            abandon(cursor)
