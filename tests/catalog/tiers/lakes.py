"""Lakes with a few files of reads, and what must hold of them wherever the files lie."""

import hashlib
import os

import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.files import stored_files
from baselake.catalog.objects import kept_objects
from baselake.catalog.tiers.placement import Stores, held_files
from baselake.catalog.tiers.removals import pending_removals
from baselake.catalog.tiers.settings import set_rule
from baselake.lake.location import checksum_of, open_location
from baselake.lake.schema import READ_RECORDS
from baselake.lake.tiers import Rule

EVERYTHING = "SELECT run_id, name, seq, qual FROM read_records ORDER BY ALL"


def write_run(catalog: Catalog, run: str, count: int = 20, files: int = 1) -> None:
    """One job: files of reads that are all different, and the run."""
    with catalog.job("ingest", {"run": run}) as job:
        for lane in range(1, files + 1):
            with job.writer("read_records", {"run_id": run, "lane": lane}) as out:
                out.write(_reads(run, lane, count))
        with job.commit() as tx:
            tx.insert("runs", pa.table({"run_id": [run]}))


def _reads(run: str, lane: int, count: int) -> pa.Table:
    columns = {field.name: pa.nulls(count, field.type) for field in READ_RECORDS.schema}
    columns |= {
        "run_id": pa.array([run] * count),
        "lane": pa.array([lane] * count, pa.int16()),
        "name": pa.array([f"{run}:{lane}:{i}" for i in range(count)]),
        "seq": pa.array([os.urandom(25).hex() for _ in range(count)]),
        "qual": pa.array([os.urandom(25).hex() for _ in range(count)]),
    }
    return pa.table(columns)


def send_all(catalog: Catalog, tier: str) -> None:
    """Have policy send every file of reads to a tier, however new."""
    set_rule(catalog, Rule(table="read_records", tier=tier, after_seconds=0))


def tiers_of_reads(catalog: Catalog) -> dict[str, int]:
    """How many files of reads lie on each tier."""
    found: dict[str, int] = {}
    for one in held_files(catalog):
        if one.table == "read_records":
            found[one.tier] = found.get(one.tier, 0) + 1
    return found


def unknown_files(catalog: Catalog) -> set[str]:
    """Files on any tier that the catalog does not know of."""
    known = {file.location for file in stored_files(catalog.connection, catalog.layout)}
    known |= {kept.location for kept in kept_objects(catalog)}
    known |= {copy.location for copy in pending_removals(catalog)}
    stores = Stores(catalog)
    there = {
        stores.of(tier.name).location(name)
        for tier in stores.tiers
        for name, _ in stores.of(tier.name).list()
    }
    there |= {str(path) for path in catalog.layout.objects.rglob("*") if path.is_file()}
    there |= {str(path) for path in catalog.layout.data.rglob("*.part")}
    return there - known


def missing_files(catalog: Catalog) -> set[str]:
    """Files that the catalog knows of and that are not where it says, or not what was written."""
    stores = Stores(catalog)
    found = set()
    for file in stored_files(catalog.connection, catalog.layout):
        store, name = stores.find(file.location)
        whole = store.size(name) == file.bytes
        if whole and file.location.startswith("/"):
            whole = checksum_of(file.location) == file.checksum
        if not whole:
            found.add(file.location)
    for kept in kept_objects(catalog):
        with open_location(kept.location) as came:
            if hashlib.sha256(came.read()).hexdigest() != kept.sha256:
                found.add(kept.location)
    return found
