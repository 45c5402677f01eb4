"""A process whose disk fills while it commits: `python -m tests.catalog.full_disk_process LAKE FLAG SEED ATTEMPTS`.

It runs under the library of `tests/c/enospc.c`. Prints how many attempts failed for want of space; ends with status 1
where anything else happens, or a file is left that nothing refers to.
"""

import random
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa

from baselake.api import Lake
from baselake.catalog.catalog import connect
from baselake.config import Config
from baselake.errors import StorageError
from tests.catalog.writer_process import write_reads
from tests.ingest.illumina.run_folders import leftovers

CONFIG = Config(threads=2, memory_bytes=1 << 30, commit_timeout_seconds=60)


def fill_for_a_moment(flag: Path, after: float, seconds: float) -> None:
    time.sleep(after)
    flag.touch()
    time.sleep(seconds)
    flag.unlink()


def main() -> None:
    lake, flag = Path(sys.argv[1]), Path(sys.argv[2])
    dice = random.Random(int(sys.argv[3]))
    failed = 0
    for attempt in range(int(sys.argv[4])):
        moment = (flag, dice.uniform(0, 0.25), dice.uniform(0, 0.15))
        filling = threading.Thread(target=fill_for_a_moment, args=moment)
        filling.start()
        try:
            with connect(lake, CONFIG) as catalog:
                write_reads(catalog, f"R{attempt}", 3)
        except StorageError:
            failed += 1
        filling.join()
        with connect(lake, CONFIG) as catalog:
            with catalog.record() as tx:
                tx.insert("runs", pa.table({"run_id": [f"after {attempt}"]}))
            if left := leftovers(Lake(catalog)):
                sys.exit(f"attempt {attempt}, full {moment[1:]}: {left}")
    print(failed)


if __name__ == "__main__":
    main()
