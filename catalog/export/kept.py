"""Files that are kept as they came with a run, given back."""

from typing import BinaryIO

from baselake.catalog.catalog import Catalog
from baselake.catalog.objects import is_cold, object_location, object_places
from baselake.catalog.tiers.heat import note_reads
from baselake.catalog.tiers.remote import recall_first
from baselake.catalog.tiers.settings import load_tiers
from baselake.errors import NotFoundError
from baselake.lake.location import open_location, reading


def open_kept(catalog: Catalog, run: str, name: str) -> BinaryIO:
    """A file that the lake keeps as it came with a run, open for reading, decrypted where it is encrypted.

    Args:
        catalog: the lake.
        run: the run.
        name: the file's path in the run's folder, as in the table `objects`.

    Raises:
        NotFoundError: no such file is kept.
        StorageError: it cannot be read, or must be recalled first.
    """
    known = catalog.query("SELECT name, path FROM objects WHERE run_id = ? ORDER BY name", [run])
    paths = dict(zip(known["name"].to_pylist(), known["path"].to_pylist(), strict=True))
    if name not in paths:
        there = f"It has {', '.join(list(paths)[:5])}" if paths else "List runs: baselake runs"
        raise NotFoundError(f"no kept file {name!r} of run {run!r}", str(catalog.layout.root), there)
    path = paths[name]
    places = object_places(catalog.connection, path)
    location = object_location(catalog.layout, path, places)
    tiers = load_tiers(catalog.connection)
    if is_cold(path, places):
        raise recall_first(location, tiers)
    with reading(location):
        file = open_location(location)
    if len(tiers) > 1:
        note_reads(catalog.layout, {path: 1})
    return file
