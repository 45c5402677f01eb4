"""A job whose disk becomes full: `full_from_process.py LAKE FLAG SOURCE RUN`.

With the flag the disk is full from the moment that the library which makes it so was told (`tests/c/enospc.c`). Prints
`committed`, or the error, and then how often space was taken while the flag was there.
"""

import ctypes
import sys
import warnings
from pathlib import Path

import pyarrow as pa

from baselake.catalog.catalog import connect
from baselake.errors import BaselakeError
from tests.catalog.tiers.lakes import _reads


def main() -> None:
    lake, flag, source, run = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    warnings.simplefilter("ignore")  # that something is left to the next writer
    said = ""
    catalog = connect(lake)
    flag.touch()
    try:
        with catalog.job("ingest", {"run": run}) as job:
            with job.writer("read_records", {"run_id": run, "lane": 1}) as out:
                out.write(_reads(run, 1, 10))
            kept = job.object(source, run, "sheet.csv")
            row = {"run_id": run, "name": "sheet.csv", "path": kept.path, "bytes": kept.bytes}
            row |= {"sha256": kept.sha256, "kind": "metadata", "job_id": job.id}
            with job.commit() as tx:
                tx.insert("runs", pa.table({"run_id": [run]}))
                tx.insert("objects", pa.Table.from_pylist([row]))
        said = "committed"
    except BaselakeError as error:
        said = " ".join(str(error).split())
    finally:
        taken = ctypes.CDLL(None).space_taken()
        flag.unlink()
        print(f"{said}\n{taken}", flush=True)
    catalog.close()


if __name__ == "__main__":
    main()
