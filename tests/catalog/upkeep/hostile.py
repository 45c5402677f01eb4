"""One role in a hostile mix: `hostile.py ROLE LAKE NUMBER STOP SECONDS LOG`.

`append` adds calls of samples of its own, `erase` deletes a sample that it finds, `compact` and `expire` are what they
are called: until there is a file STOP, and at most for so many seconds. What was committed is logged with its
snapshot: `append SNAPSHOT SAMPLE FIRST ROWS`, `erase SNAPSHOT SAMPLE`.
"""

import os
import random
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.upkeep.compact import compact
from baselake.catalog.upkeep.expire import expire
from baselake.config import load_config
from baselake.lake.schema import GENOTYPES

# An appender gives a sample so many commits, then goes on with another.
_BATCHES = 5


def committed(catalog: Catalog) -> int:
    ((snapshot,),) = (
        catalog.connection.cursor().execute("FROM ducklake_last_committed_snapshot('lake')").fetchall()
    )
    return int(snapshot)


def append(catalog: Catalog, number: int, round_: int) -> str:
    sample, first, count = f"A{number}.{round_ // _BATCHES}", round_ * 1000, 1 + round_ % 50
    rows = [
        {"reference": "r", "sample_id": sample, "contig": "1", "start": start, "variant_id": f"1-{start}-A-C"}
        for start in range(first, first + count)
    ]
    with catalog.job("call", {"sample": sample}) as job:
        with job.writer("genotypes", {"reference": "r", "contig": "1"}) as out:
            out.write(pa.Table.from_pylist(rows, schema=GENOTYPES.schema))
        with job.commit() as tx:
            tx.insert("samples", pa.table({"sample_id": [sample], "family": [str(first)]}))
    return f"append {committed(catalog)} {sample} {first} {count}"


def erase(catalog: Catalog, rng: random.Random) -> str:
    there = sorted(set(catalog.query("SELECT DISTINCT sample_id FROM samples")["sample_id"].to_pylist()))
    if len(there) < 3:
        time.sleep(0.2)
        return ""
    sample = rng.choice(there)
    with catalog.job("erase", {"sample": sample}) as job, job.commit() as tx:
        tx.execute("DELETE FROM genotypes WHERE sample_id = ?", [sample])
        tx.execute("DELETE FROM samples WHERE sample_id = ?", [sample])
    time.sleep(rng.random())
    return f"erase {committed(catalog)} {sample}"


def main() -> None:
    role, lake, number, stop, seconds, log = sys.argv[1:]
    rng = random.Random(f"{role}{number}")
    config = replace(load_config(Path(lake), os.environ), threads=1)
    deadline = time.monotonic() + float(seconds)
    with open(log, "w") as told, connect(Path(lake), config) as catalog:
        round_ = 0
        while not Path(stop).exists() and time.monotonic() < deadline:
            catalog.lease()
            line = ""
            if role == "append":
                line = append(catalog, int(number), round_)
            elif role == "erase":
                line = erase(catalog, rng)
            elif role == "compact":
                done = [one.outcome for one in compact(catalog, min_files=3)]
                line = f"compact {done.count('done')} {done.count('changed')}"
            else:
                gone = expire(catalog, timedelta(seconds=rng.choice([0, 2])), grace=timedelta(0))
                line = f"expire {len(gone.snapshots)} {gone.files_removed}"
                time.sleep(rng.random())
            if line:
                print(line, file=told, flush=True)
            round_ += 1


if __name__ == "__main__":
    main()
