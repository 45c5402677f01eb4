"""One round of upkeep in a process of its own: `python -m baselake.catalog.upkeep.round LAKE PARENT [OLDER_THAN]`.

It makes large files of small ones, then lets snapshots go that are older than so many seconds, if any are given, and
ends with the process that started it. What it did is one line on standard output.
"""

import sys
from datetime import timedelta
from pathlib import Path

import duckdb

from baselake.catalog.catalog import connect
from baselake.catalog.upkeep.compact import compact
from baselake.catalog.upkeep.expire import expire
from baselake.errors import BaselakeError
from baselake.processes import end_with_parent


def main() -> int:
    """Do it; 0, or 1 where the line says what was wrong."""
    lake, parent = Path(sys.argv[1]), int(sys.argv[2])
    end_with_parent(parent)
    try:
        with connect(lake) as catalog:
            done = [one for one in compact(catalog) if one.outcome == "done"]
            said = f"{sum(one.files for one in done)} files became {len(done)}"
            if len(sys.argv) > 3:
                catalog.lease()
                gone = expire(catalog, timedelta(seconds=float(sys.argv[3])))
                said += f"; {len(gone.snapshots)} snapshots expired, {gone.files_removed} files removed"
    except (BaselakeError, OSError, duckdb.Error) as error:
        print(" ".join(str(error).split()))
        return 1
    print(said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
