"""`python -m baselake.catalog.tiers.worker LAKE PARENT`: one application of policy, for the daemon.

Its story goes to standard error. It ends with its parent, however that ends; killed at any point it loses nothing.
"""

import sys
from pathlib import Path

import duckdb

from baselake.catalog.catalog import connect
from baselake.catalog.tiers.policy import apply_policy
from baselake.errors import BaselakeError
from baselake.processes import end_with_parent
from baselake.progress import LogProgress


def main() -> None:
    """Move what policy moves."""
    lake, parent = Path(sys.argv[1]), int(sys.argv[2])
    end_with_parent(parent)
    progress = LogProgress()
    try:
        with connect(lake) as catalog:
            done = apply_policy(catalog, progress)
    except (BaselakeError, OSError, duckdb.Error) as error:
        progress.note(f"tiers: {' '.join(str(error).split())}")
        sys.exit(1)
    if done.files or done.removed:
        progress.note(
            f"tiers: moved {done.files:,} files of {done.bytes:,} bytes; removed {done.removed:,} old copies"
        )


if __name__ == "__main__":
    main()
