"""A process of its own that commits to a lake: `writer_process.py LAKE alleles|reads|restores WRITER COMMITS`.

Prints a line before each commit, so that a test knows when to kill it.
"""

import sys
from pathlib import Path

import pyarrow as pa

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.restore import restore_snapshot
from baselake.lake.schema import READ_RECORDS, VARIANTS


def reads(run: str, count: int) -> pa.Table:
    columns = {field.name: pa.nulls(count, field.type) for field in READ_RECORDS.schema}
    columns |= {"run_id": pa.array([run] * count), "name": pa.array([f"r{i}" for i in range(count)])}
    return pa.table(columns)


def write_reads(catalog: Catalog, run: str, count: int) -> None:
    """One job: a file of reads and its run."""
    with catalog.job("ingest", {"run": run}) as job:
        with job.writer("read_records", {"run_id": run, "lane": None}) as out:
            out.write(reads(run, count))
        with job.commit() as tx:
            tx.insert("runs", pa.table({"run_id": [run]}))


def alleles(starts: list[int]) -> pa.Table:
    rows = [
        {
            "reference": "r",
            "variant_id": f"1-{start + 1}-A-C",
            "contig": "1",
            "type": "snv",
            "start": start,
            "end": start + 1,
            "ref": "A",
            "alt": "C",
        }
        for start in starts
    ]
    return pa.Table.from_pylist(rows, schema=VARIANTS.schema)


def write_alleles(catalog: Catalog, starts: list[int]) -> int:
    """One job: alleles that others may bring at the same moment; the number that were new."""
    with catalog.job("call") as job, job.commit() as tx:
        return tx.add_new("variants", alleles(starts), ("reference", "variant_id"))


def main() -> None:
    lake, what, writer, commits = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    with connect(Path(lake)) as catalog:
        for i in range(commits):
            print(i, flush=True)
            if what == "reads":
                write_reads(catalog, f"R{writer}.{i}", 50)
            elif what == "restores":
                restore_snapshot(catalog, ("first", "second")[i % 2])
            else:
                write_alleles(catalog, [i, 1000 + writer * 100 + i])


if __name__ == "__main__":
    main()
