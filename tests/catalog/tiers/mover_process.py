"""A process of its own that moves files to and fro for ever: `mover_process.py LAKE`.

With a grace of a second and files that are at once old, each round moves, recalls and removes.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

from baselake.catalog.catalog import connect
from baselake.catalog.tiers import move
from baselake.catalog.tiers.policy import apply_policy, recall
from baselake.config import load_config
from baselake.errors import StorageError


def main() -> None:
    lake, grace = Path(sys.argv[1]), int(sys.argv[2])
    move.HEARD_SECONDS = -1.0
    config = replace(load_config(lake, {}), tier_grace_seconds=grace)
    with connect(lake, config) as catalog:
        while True:
            try:
                moved = apply_policy(catalog).files
                back = recall(catalog, None, table="read_records")[0].files
                print(moved, back, flush=True)
            except StorageError as error:  # the store is down: told, and tried again
                print("store", " ".join(str(error).split()), flush=True)
                time.sleep(0.2)


if __name__ == "__main__":
    main()
