"""What tests of snapshots share: a lake's tables as they are, and commits that add, change and take away."""

import duckdb

from baselake.catalog.catalog import Catalog
from baselake.lake.schema import stored_name

from .shown import shown
from .writer_process import write_alleles, write_reads

State = dict[str, list[dict[str, object]]]
TABLES = ("runs", "read_records", "variants", "lineage")


def state(catalog: Catalog) -> State:
    """Every row of the tables with its number, which a restoration keeps."""
    return {
        table: catalog.query(f"SELECT * FROM {shown(table)} ORDER BY ALL").to_pylist() for table in TABLES
    }


def newest(catalog: Catalog) -> int:
    """The number of the newest snapshot."""
    number = catalog.query("SELECT max(snapshot_id) AS n FROM __ducklake_metadata_lake.ducklake_snapshot")
    return int(number["n"][0].as_py())


def delete(catalog: Catalog, table: str, where: str) -> None:
    """One transaction that deletes rows: those of a whole file, or some of it."""
    with catalog.record() as tx:
        tx.execute(f"DELETE FROM {stored_name(table)} WHERE {where}")


def maintain(catalog: Catalog, call: str) -> None:
    """One of DuckLake's own calls of maintenance."""
    with duckdb_cursor(catalog) as cursor:
        cursor.execute(f"CALL {call}")


def merge(catalog: Catalog) -> None:
    """Merge small files: rows of several snapshots come to stand in one file."""
    maintain(catalog, "ducklake_merge_adjacent_files('lake')")


def duckdb_cursor(catalog: Catalog) -> duckdb.DuckDBPyConnection:
    """A cursor of the lake's connection, for what is no transaction of ours."""
    return catalog._connection.cursor()


def two_states(catalog: Catalog) -> tuple[int, int]:
    """A lake with a past: the numbers of two snapshots, each of which has rows that the other has not."""
    write_reads(catalog, "R1", 3)
    write_reads(catalog, "R2", 4)
    write_alleles(catalog, [1, 2, 3])
    delete(catalog, "variants", "start = 2")
    first = newest(catalog)
    write_reads(catalog, "R3", 5)
    delete(catalog, "read_records", "run_id = 'R1'")
    delete(catalog, "variants", "start = 1")
    with catalog.record() as tx:
        tx.execute("UPDATE runs SET state = 'complete' WHERE run_id = 'R2'")
    return first, newest(catalog)
