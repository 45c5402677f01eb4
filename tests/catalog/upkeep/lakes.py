"""A small lake with some of everything, and what its snapshots show."""

from pathlib import Path

import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.references import add_reference
from baselake.ingest.objects import RunObject, keep_objects
from baselake.lake.schema import GENOTYPES

from ..shown import shown
from ..writer_process import write_alleles, write_reads

TABLES = ("read_records", "variants", "genotypes", "runs", "objects", "references", "contigs")


def write_genotypes(catalog: Catalog, sample: str, starts: list[int]) -> None:
    """One job: a file of one sample's calls."""
    rows = [
        {
            "reference": "r",
            "sample_id": sample,
            "contig": "1",
            "start": start,
            "variant_id": f"1-{start + 1}-A-C",
        }
        for start in starts
    ]
    with catalog.job("call", {"sample": sample}) as job:
        with job.writer("genotypes", {"reference": "r", "contig": "1"}) as out:
            out.write(pa.Table.from_pylist(rows, schema=GENOTYPES.schema))
        with job.commit():
            pass


def fill(catalog: Catalog, folder: Path) -> None:
    """Reads in several files, alleles, calls of two samples, rows deleted, an object replaced, an assembly."""
    for number in range(3):
        write_reads(catalog, "R1", 4 + number)
        write_alleles(catalog, [10 - number, 20 + number])
    write_genotypes(catalog, "S1", [8, 9, 10])
    write_genotypes(catalog, "S2", [10, 20])
    for content in (b"one", b"two"):
        folder.mkdir(exist_ok=True)
        (folder / "sheet.csv").write_bytes(content)
        keep_objects(catalog, "R1", [RunObject(path=folder / "sheet.csv", name="sheet.csv", kind="metadata")])
    (folder / "tiny.fa").write_text(">chr1\nACGTACGTAG\n>chrX\nTTGACAGG\n")
    add_reference(catalog, folder / "tiny.fa", "tiny")
    with catalog.record() as tx:
        tx.execute("DELETE FROM variants WHERE start = 10")


def rows(catalog: Catalog, table: str, snapshot: int | None = None) -> list[dict[str, object]]:
    """All rows of a table, now or at a snapshot, in an order that is always the same."""
    query = f"SELECT * EXCLUDE (number) FROM {shown(table, snapshot)} ORDER BY ALL"
    found: list[dict[str, object]] = catalog.query(query).to_pylist()
    return found


def snapshots(catalog: Catalog) -> list[int]:
    """Those that show our tables."""
    ids: list[int] = catalog.query("SELECT snapshot_id AS id FROM lake.snapshots() ORDER BY id")[
        "id"
    ].to_pylist()
    return [number for number in ids if number > 0]


def state(catalog: Catalog) -> dict[int, dict[str, list[dict[str, object]]]]:
    """What some snapshots show, the newest among them."""
    numbers = snapshots(catalog)
    chosen = {*numbers[1::5], numbers[-1]}
    return {number: {table: rows(catalog, table, number) for table in TABLES} for number in chosen}
